/** One WebSocket of the load test. */
import { WebSocket } from "ws";

import { Failure, toFailure } from "./parts/failures.ts";
import { parseObject } from "./json.ts";

/** The server, and how to connect to it. */
export interface Endpoint {
  readonly url: URL;
  readonly verifyCertificate: boolean;
  /** Limit of opening (name look-up, TCP, TLS, upgrade and greeting), and again of closing. */
  readonly timeoutMs: number;
}

export interface Connection {
  /** From the start of the name look-up to the greeting. */
  readonly connectMs: number;
  send(text: string): void;
  /**
   * Closes with 1000 and waits for the closing handshake, at most `timeoutMs`.
   * @throws {Failure} if the handshake fails.
   */
  close(): Promise<void>;
}

export interface ConnectionCallbacks {
  /** A text message after the greeting. */
  onMessage(text: string): void;
  /** The connection ended without {@link Connection.close}. */
  onLost(failure: Failure): void;
}

const NORMAL_CLOSURE = 1000;
/** `ws` reports this code if a connection ends without a Close frame (RFC 6455, section 7.1.5). */
const ABNORMAL_CLOSURE = 1006;

/**
 * Opens a connection and waits for the server's greeting `{"connection":"ok"}`. From then on, every broadcast must reach this
 * connection; the upgrade alone may have been answered by a proxy.
 * @returns `undefined` if `signal` aborts first.
 * @throws {Failure} if the connection cannot be opened.
 */
export function connect(
  endpoint: Endpoint,
  callbacks: ConnectionCallbacks,
  signal: AbortSignal,
): Promise<Connection | undefined> {
  if (signal.aborted) return Promise.resolve(undefined);

  const opened = Promise.withResolvers<Connection | undefined>();
  const closed = Promise.withResolvers<undefined>();
  let state: "opening" | "open" | "closing" = "opening";
  let failure: Failure | undefined;

  const startedAt = performance.now();
  const socket = new WebSocket(endpoint.url, {
    perMessageDeflate: false,
    rejectUnauthorized: endpoint.verifyCertificate,
  });
  const breakOff = (why: Failure) => {
    failure ??= why;
    socket.terminate();
  };
  const limit = (what: string) =>
    setTimeout(() => {
      breakOff(new Failure("timeout", what));
    }, endpoint.timeoutMs);
  const abort = () => {
    opened.resolve(undefined);
    socket.terminate();
  };
  let deadline = limit("connect");
  signal.addEventListener("abort", abort, { once: true });
  const settle = () => {
    clearTimeout(deadline);
    signal.removeEventListener("abort", abort);
  };

  const connection = (connectMs: number): Connection => ({
    connectMs,
    send(text) {
      socket.send(text);
    },
    close() {
      if (state === "open") {
        state = "closing";
        deadline = limit("close");
        socket.close(NORMAL_CLOSURE);
      }
      return closed.promise;
    },
  });

  socket.on("unexpected-response", (_request, response) => {
    breakOff(new Failure("http", String(response.statusCode)));
  });
  socket.on("error", (error) => {
    failure ??= toFailure(error);
  });
  socket.addEventListener("message", ({ data }) => {
    if (typeof data !== "string") return;
    if (state !== "opening") {
      callbacks.onMessage(data);
    } else if (isGreeting(data)) {
      settle();
      state = "open";
      opened.resolve(connection(performance.now() - startedAt));
    }
  });
  socket.on("close", (code) => {
    settle();
    if (failure === undefined && state === "closing" && code !== ABNORMAL_CLOSURE) {
      closed.resolve(undefined);
      return;
    }
    failure ??= new Failure("closed", String(code));
    switch (state) {
      case "opening":
        opened.reject(failure);
        return;
      case "open":
        closed.resolve(undefined);
        callbacks.onLost(failure);
        return;
      case "closing":
        closed.reject(failure);
    }
  });
  return opened.promise;
}

function isGreeting(text: string): boolean {
  return parseObject(text)?.["connection"] === "ok";
}
