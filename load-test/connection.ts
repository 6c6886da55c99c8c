/** One WebSocket of the load test, from its opening to its end. */
import { WebSocket } from "ws";

import { Failure, toFailure } from "./failures.ts";
import { parseObject } from "./json.ts";

export interface Target {
  readonly url: URL;
  readonly verifyCertificate: boolean;
  /** How long opening (name, TCP, TLS, upgrade and greeting together) may take, and closing after that. */
  readonly timeoutMs: number;
}

export interface Connection {
  /** From the start of the name look-up to the greeting. */
  readonly connectMs: number;
  send(text: string): void;
  /**
   * Closes with 1000 and waits for the closing handshake, at most `timeoutMs`.
   * @throws {Failure} when it did not take place.
   */
  close(): Promise<void>;
}

export interface ConnectionEvents {
  /** A text message after the greeting. */
  message(text: string): void;
  /** The connection ended without {@link Connection.close}. */
  lost(failure: Failure): void;
}

const NORMAL_CLOSURE = 1000;
/** What `ws` reports when a connection ends without a close frame (RFC 6455, section 7.1.5). */
const ABNORMAL_CLOSURE = 1006;

/**
 * Opens a connection and waits for the server's greeting `{"connection":"ok"}`: only then is it sure that every
 * later broadcast reaches this connection, and that more than a proxy answered.
 * @returns `undefined` when `signal` was aborted first.
 * @throws {Failure} when the connection could not be opened.
 */
export function connect(
  target: Target,
  events: ConnectionEvents,
  signal: AbortSignal,
): Promise<Connection | undefined> {
  if (signal.aborted) return Promise.resolve(undefined);

  const opened = Promise.withResolvers<Connection | undefined>();
  const closed = Promise.withResolvers<undefined>();
  let state: "opening" | "open" | "closing" = "opening";
  let failure: Failure | undefined;

  const startedAt = performance.now();
  const socket = new WebSocket(target.url, {
    perMessageDeflate: false,
    rejectUnauthorized: target.verifyCertificate,
  });
  const breakOff = (why: Failure) => {
    failure ??= why;
    socket.terminate();
  };
  const limit = (what: string) =>
    setTimeout(() => {
      breakOff(new Failure("timeout", what));
    }, target.timeoutMs);
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
      events.message(data);
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
        events.lost(failure);
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
