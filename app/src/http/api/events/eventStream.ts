import type { Response } from "express";

import type { User } from "../../../auth/users.ts";
import type { Cursor, Joined, Listener } from "../../../channel/cursor.ts";
import type { ConnectionContext } from "../../../connection/connectionContext.ts";
import { startExpiry } from "../../../connection/expiry.ts";
import type { Beating, Heartbeats } from "../../../connection/heartbeats.ts";
import type { Recipient } from "../../../connection/untakenBytes.ts";
import type { Writer } from "../../../connection/writeTurns.ts";
import { HEARTBEAT, renderStart } from "./eventText.ts";
import type { EventPosition, EventTexts } from "./eventText.ts";

const NO_BYTES = Buffer.alloc(0);

export interface EventStreamParts {
  readonly response: Response;
  readonly channel: string;
  readonly user: User;
  /** When the token expires, in milliseconds since 1970; `undefined` if it never does. */
  readonly expiresAt: number | undefined;
  readonly texts: EventTexts;
  readonly heartbeats: Heartbeats;
  readonly heartbeatMs: number;
  readonly context: Pick<ConnectionContext, "limits" | "metrics" | "turns" | "untaken">;
  /** Called once when the stream has closed. */
  readonly onClosed: (stream: EventStream) => void;
}

/**
 * One client that receives the messages of a channel as server-sent events. Like a WebSocket, it is a cursor without a queue: it
 * reads on when the socket accepts more.
 */
export class EventStream implements Listener, Beating, Writer, Recipient {
  /** Of its frames. A client resumes by the id of its last event. */
  readonly dialect = "channels";
  readonly user: User;
  readonly #parts: EventStreamParts;
  #cursor: Cursor | undefined;
  #position: EventPosition = { epoch: "", offset: 0 };
  /** What the system has not taken yet. */
  #untaken: Buffer | undefined;
  #isScheduled = false;
  #isLeaving = false;
  #beatGroup = 0;
  #expiry: NodeJS.Timeout | undefined;

  constructor(parts: EventStreamParts) {
    this.#parts = parts;
    this.user = parts.user;
  }

  /** Sends the head of the answer, and begins to deliver. */
  start({ cursor, epoch, offset, gap }: Joined): void {
    const { response, heartbeats, heartbeatMs, context, onClosed } = this.#parts;
    this.#cursor = cursor;
    this.#position = { epoch, offset };
    this.#beatGroup = heartbeats.add(this);
    response.once("close", () => {
      heartbeats.remove(this, this.#beatGroup);
      clearTimeout(this.#expiry);
      this.#release();
      cursor.close();
      this.#cursor = undefined;
      onClosed(this);
    });
    // Each heartbeat is activity. If the client reads nothing, there is none.
    response.socket?.setTimeout(Math.max(context.limits.writeTimeoutMs, 2 * heartbeatMs));
    response.writeHead(200, {
      "Content-Type": "text/event-stream",
      "Cache-Control": "no-store",
      // The client must connect again by a new connection, which can reach another task.
      Connection: "close",
    });
    this.#write(Buffer.from(renderStart(this.#position, gap)));
    this.#scheduleExpiry();
    this.#deliver();
  }

  leave(): void {
    this.#isLeaving = true;
    this.#deliver();
  }

  close(): void {
    if (this.#untaken === undefined) this.#parts.response.end();
    else this.terminate();
  }

  terminate(): void {
    this.#parts.response.destroy();
  }

  beat(): void {
    this.#scheduleExpiry();
    if (this.#untaken === undefined) this.#write(HEARTBEAT);
  }

  write(): void {
    this.#isScheduled = false;
    this.#deliver();
  }

  onReadable(): void {
    this.#schedule();
  }

  onTooMuchUntaken(): void {
    this.#untaken = undefined;
    this.terminate();
  }

  /** Writes one slice. The rest follows in the next turn of the event loop, or when the socket accepts it. */
  #deliver(): void {
    const { response, channel, texts, context } = this.#parts;
    const cursor = this.#cursor;
    if (cursor === undefined || this.#untaken !== undefined || response.writableEnded) return;
    const slice = cursor.read();
    if (slice !== undefined) {
      const { bytes, to } = texts.render(slice, channel, this.#position);
      this.#position = to;
      const { counts } = context.metrics;
      counts.deliveries += slice.frames;
      counts.deliveredBytes += bytes.length;
      const isTaken = this.#write(bytes);
      if (isTaken && !cursor.isAtEnd) this.#schedule();
    }
    if (this.#isLeaving && cursor.isAtEnd) response.end();
  }

  /** Returns whether the system has taken all that was written. */
  #write(bytes: Buffer): boolean {
    const { response, context } = this.#parts;
    const { socket } = response;
    if (response.writableEnded || socket === null) return true;
    // Otherwise the response writes later, and it is not known yet what the system takes.
    socket.cork();
    response.write(bytes);
    socket.uncork();
    if (response.writableLength === 0) return true;
    this.#untaken = bytes;
    context.untaken.keep(this, bytes, bytes.length);
    // A response emits no `drain` for few bytes, but its socket calls back for an empty write behind them.
    socket.write(NO_BYTES, () => {
      this.#release();
      this.#schedule();
    });
    return false;
  }

  #release(): void {
    if (this.#untaken !== undefined) this.#parts.context.untaken.release(this, this.#untaken);
    this.#untaken = undefined;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#parts.context.turns.addNext(this);
  }

  #scheduleExpiry(): void {
    const { expiresAt, heartbeatMs } = this.#parts;
    this.#expiry ??= startExpiry(expiresAt, heartbeatMs, expire, this);
  }
}

function expire(stream: EventStream): void {
  stream.close();
}
