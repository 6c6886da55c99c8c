/** One WebSocket: its heartbeat, its limits, and its cursor into the channel. */
import type { Socket } from "node:net";

import type { Logger } from "pino";
import { WebSocket } from "ws";

import type { Cursor, Hub } from "./hub.ts";
import { CloseCode, encode, parse } from "./protocol.ts";
import type { ErrorBody } from "./protocol.ts";
import type { Settings } from "./settings.ts";
import { createTokenBucket } from "./tokenBucket.ts";

/**
 * Most bytes that are handed to a socket at once. As much as Node buffers before it asks to wait, so a reader
 * that stalls holds little memory of its own, and a fast one needs few system calls.
 */
const SLICE_BYTES = 64 * 1024;

/** Answers to a client's own mistakes that may wait for it to read; it is closed when it makes more. */
const MAX_PENDING_REPLIES = 64;

export interface ConnectionParts {
  readonly webSocket: WebSocket;
  /** The socket below `webSocket`, to which the hub's ready frames are written as they are. */
  readonly socket: Socket;
  readonly hub: Hub;
  readonly channel: string;
  readonly settings: Pick<
    Settings,
    "heartbeatSeconds" | "maxPayloadBytes" | "messagesPerSecond" | "messageBurst"
  >;
  readonly logger: Logger;
}

export interface Connection {
  /** Resolves when the socket is closed, whoever closed it. */
  readonly closed: Promise<void>;
  /** Delivers what is readable now, then says that the server goes away. Idempotent. */
  leave(): void;
  /** Ends the connection without a word. Idempotent. */
  terminate(): void;
}

export function openConnection(parts: ConnectionParts): Connection {
  const { webSocket, socket, hub, channel, settings, logger } = parts;
  const closed = Promise.withResolvers<undefined>();
  const bucket = createTokenBucket(settings.messagesPerSecond, settings.messageBurst);
  let cursor: Cursor | undefined;
  let leaving = false;
  let pendingReplies = 0;

  /**
   * Writes what the cursor has, as far as the socket takes it. Whole frames, in one synchronous step, and none
   * after a Close frame in either direction: so the library's own frames (pong, close) stay whole between them.
   */
  const pump = (): void => {
    if (cursor === undefined || webSocket.readyState !== WebSocket.OPEN) return;
    if (cursor.state === "lost") {
      webSocket.close(CloseCode.tryAgainLater, "reads too slowly");
      return;
    }
    if (cursor.state === "broken") {
      webSocket.close(CloseCode.internalError, "the message log failed");
      return;
    }
    while (socket.writable && !socket.writableNeedDrain) {
      const slice = cursor.read(SLICE_BYTES);
      if (slice === undefined) {
        if (leaving) webSocket.close(CloseCode.goingAway, "the server goes away");
        return;
      }
      socket.write(slice);
    }
  };

  const refuse = (error: ErrorBody): void => {
    if (webSocket.readyState !== WebSocket.OPEN) return;
    if (pendingReplies >= MAX_PENDING_REPLIES) {
      webSocket.close(CloseCode.tryAgainLater, "reads too slowly");
      return;
    }
    pendingReplies += 1;
    webSocket.send(encode({ error }), () => {
      pendingReplies -= 1;
    });
  };

  /**
   * Whether what came in counts. Behind a Close frame it does not: its sender could neither see it come back
   * nor be told of an error.
   */
  const admits = (): boolean => {
    if (webSocket.readyState !== WebSocket.OPEN) return false;
    if (bucket.take()) return true;
    webSocket.close(CloseCode.policyViolation, `more than ${settings.messagesPerSecond} messages per second`);
    return false;
  };

  const receive = (payload: Buffer): void => {
    const message = parse(payload, settings.maxPayloadBytes);
    switch (message.kind) {
      case "publish":
        hub.publish(channel, message.json).catch((error: unknown) => {
          logger.warn({ err: error, channel }, "message not published");
          refuse({ code: "unavailable", message: "The message was not published; send it again later." });
        });
        return;
      case "invalid":
        refuse(message.error);
        return;
    }
  };

  /** A client that sent not a single byte in a whole interval, not even the pong, is gone. */
  let bytesReadAtPing = -1;
  const heartbeat = setInterval(() => {
    if (socket.bytesRead === bytesReadAtPing) {
      logger.debug("heartbeat missed");
      webSocket.terminate();
      return;
    }
    bytesReadAtPing = socket.bytesRead;
    if (webSocket.readyState === WebSocket.OPEN) webSocket.ping();
  }, settings.heartbeatSeconds * 1000);

  webSocket.on("message", (data) => {
    // The library gives a Buffer unless told otherwise by `binaryType`.
    if (admits()) receive(data as Buffer);
  });
  // Each is answered by a pong: they cost as much as messages.
  webSocket.on("ping", admits);
  webSocket.on("error", (error) => {
    // The library closes the connection with the code that fits.
    logger.debug({ err: error }, "connection failed");
  });
  webSocket.on("close", (code) => {
    clearInterval(heartbeat);
    cursor?.close();
    logger.debug({ code }, "connection closed");
    closed.resolve(undefined);
  });
  socket.on("drain", pump);

  // Nothing is read before the cursor stands, so that a client receives all that it sends.
  webSocket.pause();
  hub.subscribe(channel, pump).then(
    (joined) => {
      if (webSocket.readyState !== WebSocket.OPEN) {
        joined.close();
        return;
      }
      cursor = joined;
      webSocket.send(encode({ connection: "ok" }));
      webSocket.resume();
      pump();
    },
    (error: unknown) => {
      logger.warn({ err: error, channel }, "channel not available");
      webSocket.resume();
      webSocket.close(CloseCode.tryAgainLater, "the channel is not available");
    },
  );

  return {
    closed: closed.promise,
    leave() {
      leaving = true;
      if (cursor !== undefined) {
        pump();
        return;
      }
      webSocket.close(CloseCode.goingAway, "the server goes away");
      // For the client's answer to it.
      webSocket.resume();
    },
    terminate() {
      webSocket.terminate();
    },
  };
}
