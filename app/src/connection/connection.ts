/** What the connections of all dialects have in common. */
import type { Socket } from "node:net";

import type { User } from "../auth/users.ts";
import type { Client } from "../handlers/handlers.ts";
import { CloseCode } from "../wire/closeCode.ts";
import type { Dialect, ErrorBody, ServerMessage } from "../wire/messages.ts";
import { Answers } from "./answers.ts";
import { ClientRates } from "./clientRates.ts";
import type { ClientIdentity, ConnectionContext } from "./connectionContext.ts";
import { startExpiry } from "./expiry.ts";
import { createPublishes } from "./handledPublishes.ts";
import type { Beating } from "./heartbeats.ts";
import type { Publish, Publishes, PublishResult } from "./publishes.ts";
import { ServerWebSocket } from "./webSocket/webSocket.ts";
import type { WebSocketEvents } from "./webSocket/webSocket.ts";
import type { Writer } from "./writeTurns.ts";

/** Maximum of requests and answers that one client may have pending. Beyond it, nothing is read from the client. */
export const MAX_UNANSWERED = 256;
const MAX_UNANSWERED_BYTES = 256 * 1024;

/** Codes with which a client closes that has sent all it wanted to: what it has sent is still published. */
const NORMAL_CLOSURES: ReadonlySet<number> = new Set([1000, 1001, 1005]);

/**
 * One client: applies the limits of the client, publishes what it sends, and closes. A slow client has no queue of messages:
 * delivery continues at its cursors when the socket accepts more.
 */
export abstract class Connection implements WebSocketEvents, Beating, Writer {
  readonly user: User;
  protected readonly publisher: string | undefined;
  protected readonly expiresAt: number | undefined;
  /** For the handlers; `undefined` if there are none. */
  protected readonly client: Client | undefined;
  protected readonly context: ConnectionContext;
  protected readonly webSocket: ServerWebSocket;
  /** `undefined` until the client sends something. Most clients are idle. */
  protected rates: ClientRates | undefined;
  /** `undefined` if there is no answer. */
  #answers: Answers | undefined;
  /** `undefined` until the client publishes. */
  #publishes: Publishes | undefined;
  #isScheduled = false;
  #isPaused = false;
  #leaving: { readonly code: number; readonly reason: string } | undefined;
  #bytesReadAtBeat = -1;
  #beatGroup = 0;
  #expiry: NodeJS.Timeout | undefined;

  /**
   * Neither reads nor writes before {@link start}.
   * @param maxMessageBytes maximum size of a message from the client.
   */
  protected constructor(
    socket: Socket,
    maxMessageBytes: number,
    { user, publisher, expiresAt, client }: ClientIdentity,
    context: ConnectionContext,
  ) {
    this.user = user;
    this.publisher = publisher;
    this.expiresAt = expiresAt;
    this.client = client;
    this.context = context;
    this.webSocket = new ServerWebSocket(socket, maxMessageBytes, this, context);
  }

  abstract get dialect(): Dialect;

  /** @param text `undefined` if a binary message is not UTF-8. */
  protected abstract onRequest(text: string | undefined): void;

  /** Writes the answers and what the client can read, as far as the socket accepts it. Then {@link leaveIfDone}. */
  protected abstract deliver(): void;

  /** Number of requests without an answer, which the client may have to wait for. */
  protected abstract get waiting(): number;

  /** Writes the greeting. */
  protected abstract greet(): void;

  /** Frees what the connection has in the channels. Idempotent. */
  protected abstract release(): void;

  /**
   * Accepts the upgrade, sends the greeting, and begins to deliver and to read.
   * @param response the response to the upgrade request. The greeting is one write with it.
   * @param head bytes that arrived with the upgrade request.
   */
  protected begin(response: string, head: Buffer): void {
    this.webSocket.cork(response);
    this.greet();
    this.#beatGroup = this.context.heartbeats.add(this);
    this.#scheduleExpiry();
    this.webSocket.start(head);
    this.webSocket.uncork();
    this.deliver();
  }

  /**
   * Closes the connection when all requests of the client are answered and all that it can read now is delivered. What the
   * client sends from now on is refused. Idempotent.
   */
  leave(code: number, reason: string): void {
    this.#leaving ??= { code, reason };
    this.deliver();
  }

  /** Closes the connection at once, with a Close frame. Idempotent. */
  close(code: number, reason: string): void {
    this.webSocket.close(code, reason);
  }

  /** Closes the connection without a Close frame. Idempotent. */
  terminate(): void {
    this.webSocket.terminate();
  }

  /** Ends a connection whose client has sent no byte for one interval, not even a pong. Otherwise sends a ping. */
  beat(): void {
    const { bytesRead, blockedMs } = this.webSocket;
    // While the server does not read because it waits for the log, the silence proves nothing.
    const isWaitingForLog = this.#isPaused && this.waiting > 0;
    const isSilent = bytesRead === this.#bytesReadAtBeat && !isWaitingForLog;
    if (isSilent || blockedMs > this.context.limits.writeTimeoutMs) {
      // A Close frame would not arrive either.
      this.context.logger.debug(isSilent ? "heartbeat missed" : "client reads nothing");
      this.webSocket.terminate();
      return;
    }
    this.#bytesReadAtBeat = bytesRead;
    this.#scheduleExpiry();
    this.webSocket.ping(this.context.heartbeatFrames[this.dialect]);
  }

  write(): void {
    this.#isScheduled = false;
    this.deliver();
  }

  onDrained(): void {
    this.deliver();
    this.resumeIfCaughtUp();
  }

  onMessage(text: string | undefined): void {
    this.context.metrics.counts.received += 1;
    this.onRequest(text);
    this.#pauseIfBehind();
  }

  onFrame(_opcode: number, messages: number, bytes: number): boolean {
    return this.charge(messages, bytes);
  }

  onClosed(code: number): void {
    clearTimeout(this.#expiry);
    this.release();
    if (!NORMAL_CLOSURES.has(code)) this.#publishes?.refuseWaiting();
    this.#answers?.drop();
    this.#answers = undefined;
    this.user.disconnect();
    if (this.client !== undefined) this.context.hooks?.disconnect(this.client);
    this.context.heartbeats.remove(this, this.#beatGroup);
    this.context.metrics.count("closes", code);
    this.context.logger.debug({ code }, "connection closed");
    this.context.onClosed(this);
  }

  protected get isLeaving(): boolean {
    return this.#leaving !== undefined;
  }

  /** Charges messages and bytes to the rates. If they exceed them, the connection has failed when this returns false. */
  protected charge(messages: number, bytes: number): boolean {
    const { settings, metrics } = this.context;
    const now = performance.now();
    this.rates ??= new ClientRates(settings, now);
    let exceeded = this.rates.take(messages, bytes, now);
    if (exceeded === undefined && bytes > 0 && !this.user.take(bytes, now)) {
      metrics.count("usersLimited", "bytes");
      exceeded = `more than ${settings.bytesPerSecondPerUser} bytes per second of one user`;
    }
    if (exceeded === undefined) return true;
    this.webSocket.fail(CloseCode.policyViolation, exceeded);
    return false;
  }

  /**
   * Publishes a message.
   * @param settle called with a result that follows later.
   * @returns the result, if there is one already.
   */
  protected publish(publish: Publish, settle: (result: PublishResult) => void): PublishResult | undefined {
    if (this.#leaving !== undefined) return LEAVING;
    this.#publishes ??= createPublishes(this.context, this.client);
    return this.#publishes.publish(publish, this.publisher, this.user, (result) => {
      settle(result);
      this.resumeIfCaughtUp();
      if (this.#leaving !== undefined) this.schedule();
    });
  }

  /** Counts a publish that begins later, by {@link publishHeld}. Returns why it must not be held; `undefined` if it is. */
  protected hold(publish: Publish): ErrorBody | undefined {
    this.#publishes ??= createPublishes(this.context, this.client);
    return this.#publishes.hold(publish);
  }

  protected publishHeld(publish: Publish, settle: (result: PublishResult) => void): void {
    this.#publishes?.release(publish);
    const result = this.publish(publish, settle);
    if (result !== undefined) settle(result);
  }

  /** Number of publishes without a result. */
  protected get publishing(): number {
    return this.#publishes?.pending ?? 0;
  }

  /** Sends an answer to the client, unless the connection is closing: nothing is written after a Close frame. */
  protected answer(message: ServerMessage): void {
    if (!this.webSocket.open) return;
    this.#answers ??= new Answers(this.webSocket, this.context.untaken);
    this.#answers.add(message);
    this.schedule();
  }

  /** Returns the frames of all answers. The caller writes them. */
  protected takeAnswers(): Buffer | undefined {
    const answers = this.#answers;
    if (answers === undefined) return undefined;
    this.#answers = undefined;
    const frames = answers.take();
    this.resumeIfCaughtUp();
    return frames;
  }

  /** Calls {@link deliver} after the present callback of the event loop. */
  protected schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.context.turns.add(this);
  }

  /** Calls {@link deliver} again, after the other connections. */
  protected scheduleNext(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.context.turns.addNext(this);
  }

  /** Stops reading from a client that has too much pending, or does not read its answers. */
  #pauseIfBehind(): void {
    if (this.#isPaused || !this.webSocket.open) return;
    if (this.#pending < MAX_UNANSWERED && this.#publishingBytes < MAX_UNANSWERED_BYTES) return;
    this.#isPaused = true;
    this.webSocket.pause();
  }

  protected resumeIfCaughtUp(): void {
    if (!this.#isPaused || this.#pending > MAX_UNANSWERED / 2) return;
    if (this.#publishingBytes > MAX_UNANSWERED_BYTES / 2) return;
    this.rates?.creditPause(performance.now());
    this.#isPaused = false;
    this.webSocket.resume();
  }

  /** Closes a connection that is to leave, if no request waits. Call it when everything is delivered. */
  protected leaveIfDone(): void {
    if (this.#leaving === undefined || this.#pending > 0) return;
    this.webSocket.close(this.#leaving.code, this.#leaving.reason);
  }

  get #pending(): number {
    return this.waiting + (this.#answers?.length ?? 0);
  }

  get #publishingBytes(): number {
    return this.#publishes?.pendingBytes ?? 0;
  }

  #scheduleExpiry(): void {
    const heartbeatMs = this.context.settings.heartbeatSeconds * 1000;
    this.#expiry ??= startExpiry(this.expiresAt, heartbeatMs, expire, this);
  }
}

function expire(connection: Connection): void {
  connection.close(CloseCode.policyViolation, "the token has expired");
}

export const LEAVING: ErrorBody = {
  code: "unavailable",
  message: "The server goes away; send the message again on the next connection.",
};
