/** One WebSocket of the load test, with its subscriptions. */
import { WebSocket } from "ws";

import { Failure, toFailure } from "./parts/failures.ts";
import { codeOf, type Frame, parseFrame, type Position } from "./frames.ts";

/** The server, and how to connect to it. */
export interface Endpoint {
  readonly url: URL;
  /** Sent with the upgrade. @default none */
  readonly token?: string | undefined;
  readonly verifyCertificate: boolean;
  /** Limit of opening (name look-up, TCP, TLS, upgrade, greeting and subscriptions), and again of closing. */
  readonly timeoutMs: number;
}

export interface Connection {
  /** From the start of the name look-up to the greeting. */
  readonly connectMs: number;
  /** From the greeting to the answer of the last subscribe. */
  readonly subscribeMs: number;
  /** Publishes a value, which is JSON. */
  publish(channel: string, json: string): void;
  /**
   * Closes with 1000 and waits for the closing handshake, at most `timeoutMs`.
   * @throws {Failure} if the handshake fails.
   */
  close(): Promise<void>;
}

export interface ConnectionCallbacks {
  /** A message of a channel, which arrived at this time of the monotonic clock. */
  onMessage(channel: string, message: unknown, now: number): void;
  /** The server reports messages of a channel that it no longer has. */
  onGap(channel: string): void;
  /** The server rejects a publish. */
  onError(failure: Failure): void;
  /** The connection ended without {@link Connection.close}. */
  onLost(failure: Failure): void;
}

/** The last message that was received of each channel of a connection; `undefined` before its first subscription. */
export type Positions = Map<string, Position | undefined>;

const SUBPROTOCOL = "channels.v1";
const NORMAL_CLOSURE = 1000;
/** `ws` reports this code if a connection ends without a Close frame (RFC 6455, section 7.1.5). */
const ABNORMAL_CLOSURE = 1006;

/**
 * Opens a connection, waits for the server's greeting, and subscribes to channels. From then on, every message of them must
 * reach this connection; the upgrade alone may have been answered by a proxy.
 * @param positions the channels. Those with a position are resumed. The connection updates the positions.
 * @returns `undefined` if `signal` aborts first.
 * @throws {Failure} if the connection cannot be opened.
 */
export function connect(
  endpoint: Endpoint,
  positions: Positions,
  callbacks: ConnectionCallbacks,
  signal: AbortSignal,
): Promise<Connection | undefined> {
  if (signal.aborted) return Promise.resolve(undefined);

  const opened = Promise.withResolvers<Connection | undefined>();
  const closed = Promise.withResolvers<undefined>();
  let state: "opening" | "open" | "closing" = "opening";
  let failure: Failure | undefined;
  let greetedAt: number | undefined;
  /** Subscribes without an answer. */
  let unanswered = positions.size;

  const startedAt = performance.now();
  const socket = new WebSocket(endpoint.url, SUBPROTOCOL, {
    perMessageDeflate: false,
    rejectUnauthorized: endpoint.verifyCertificate,
    ...(endpoint.token !== undefined && { headers: { Authorization: `Bearer ${endpoint.token}` } }),
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

  const finishOpening = (connectMs: number, subscribeMs: number) => {
    settle();
    state = "open";
    opened.resolve({
      connectMs,
      subscribeMs,
      publish(channel, json) {
        socket.send(`{"publish":${json},"channel":${JSON.stringify(channel)}}`);
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
  };
  const take = (frame: Frame, now: number) => {
    switch (frame.kind) {
      case "greeting":
        if (greetedAt !== undefined) return;
        greetedAt = now;
        for (const [channel, position] of positions)
          socket.send(JSON.stringify({ subscribe: channel, ...position }));
        break;
      case "subscribed":
        positions.set(frame.channel, frame.position);
        unanswered--;
        if (greetedAt !== undefined && unanswered === 0)
          finishOpening(greetedAt - startedAt, now - greetedAt);
        break;
      case "message": {
        const position = positions.get(frame.channel);
        if (position !== undefined) positions.set(frame.channel, { ...position, offset: frame.offset });
        callbacks.onMessage(frame.channel, frame.message, now);
        break;
      }
      case "gap":
        callbacks.onGap(frame.channel);
        break;
      case "error": {
        const error = new Failure("server", codeOf(frame.error));
        if (state === "opening") breakOff(error);
        else callbacks.onError(error);
      }
    }
  };

  socket.on("unexpected-response", (_request, response) => {
    breakOff(new Failure("http", String(response.statusCode)));
  });
  socket.on("error", (error) => {
    failure ??= toFailure(error);
  });
  socket.addEventListener("message", ({ data }) => {
    const now = performance.now();
    const frame = typeof data === "string" ? parseFrame(data) : undefined;
    if (frame !== undefined) take(frame, now);
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
