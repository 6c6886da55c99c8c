/** One client: what it sends, its limits, and its cursor into the channel. */
import type { Socket } from "node:net";

import type { Logger } from "pino";

import type { Rights } from "../auth/authorize.ts";
import { textFrame } from "../wire/frame.ts";
import type { Beating, Heartbeats } from "./heartbeats.ts";
import type { Cursor, Joined, Listener } from "../channel/channel.ts";
import type { Hub } from "../channel/hub.ts";
import { IdInUseError } from "../log/log.ts";
import type { Appended } from "../log/log.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { CloseCode } from "../wire/closeCode.ts";
import { encode } from "../wire/encode.ts";
import { parse } from "../wire/parse.ts";
import type { Dialect, ErrorBody, ServerMessage } from "../wire/messages.ts";
import { byteBurst } from "../settings/settings.ts";
import type { Settings } from "../settings/settings.ts";
import { TokenBucket } from "../auth/tokenBucket.ts";
import type { Recipient } from "./untakenBytes.ts";
import type { User } from "../auth/users.ts";
import { ServerWebSocket } from "./webSocket.ts";
import type { TaskMemory, WebSocketEvents } from "./webSocket.ts";
import type { WireLimits } from "./wireLimits.ts";

/** What a client may have sent and not taken the answer of; while it is more, nothing is read from it. */
const MAX_UNANSWERED = 256;
const MAX_UNANSWERED_BYTES = 256 * 1024;

/** What an answer that waits takes beside its text, and most that a UTF-16 code unit of its text takes, in bytes. */
const ANSWER_OVERHEAD_BYTES = 64;
const CODE_UNIT_BYTES = 2;

/** What a `resume` client's frame may have beside the published value: keys, and an id in escapes. */
const ENVELOPE_BYTES = 1024;

/** What all connections of a server share. */
export interface ConnectionContext extends TaskMemory {
  readonly hub: Hub;
  readonly settings: Pick<
    Settings,
    | "heartbeatSeconds"
    | "maxPayloadBytes"
    | "messagesPerSecond"
    | "messageBurst"
    | "bytesPerSecond"
    | "bytesPerSecondPerUser"
  >;
  readonly limits: Pick<WireLimits, "maxUnansweredBytes" | "writeTimeoutMs">;
  /** Bytes of all publishes whose answer is not known yet. */
  readonly unanswered: { bytes: number };
  readonly heartbeats: Heartbeats;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly onClosed: (connection: Connection) => void;
}

/** Whose connection it is. */
export interface Member {
  readonly rights: Rights;
  /** Whose limits apply. */
  readonly user: User;
  /**
   * The subject of the client's token, if it has one. An address is no publisher: a client that publishes again after its
   * address has changed must be recognized by its id.
   */
  readonly publisher: string | undefined;
}

export class Connection implements WebSocketEvents, Listener, Beating, Recipient {
  readonly dialect: Dialect;
  readonly #channel: string;
  readonly #rights: Rights;
  readonly user: User;
  readonly #publisher: string | undefined;
  readonly #context: ConnectionContext;
  readonly #webSocket: ServerWebSocket;
  /** None until the client sends something: most are idle. */
  #messages: TokenBucket | undefined;
  #bytes: TokenBucket | undefined;
  #cursor: Cursor | undefined;
  /** Publishes whose answer is not known yet. */
  #publishing = 0;
  #publishingBytes = 0;
  /** Answers that go out together. */
  readonly #answers: string[] = [];
  /** What is counted of the answers, because the socket does not take them. */
  #untakenBytes = 0;
  #paused = false;
  #leaving: { readonly code: number; readonly reason: string } | undefined;
  #bytesReadAtBeat = -1;
  #beatGroup = 0;

  /**
   * @param member what the client may do, and whose connection it is. The user is left when the connection has closed. The
   * publisher has ids of its own.
   */
  constructor(
    socket: Socket,
    channel: string,
    dialect: Dialect,
    { rights, user, publisher }: Member,
    context: ConnectionContext,
  ) {
    const { settings } = context;
    this.dialect = dialect;
    this.#channel = channel;
    this.#rights = rights;
    this.user = user;
    this.#publisher = publisher;
    this.#context = context;
    const maxFrameBytes = settings.maxPayloadBytes + (dialect === "plain" ? 0 : ENVELOPE_BYTES);
    this.#webSocket = new ServerWebSocket(socket, maxFrameBytes, this, context);
  }

  /**
   * Greets the client, and begins to deliver and to read.
   * @param head what came with the upgrade.
   */
  start({ cursor, epoch, offset, gap }: Joined, head: Buffer): void {
    if (this.#rights.canSubscribe) this.#cursor = cursor;
    else cursor.close();
    if (this.dialect === "plain") {
      this.#webSocket.write(PLAIN_GREETING);
    } else {
      const { heartbeatSeconds: heartbeat } = this.#context.settings;
      this.#answer({ connection: "ok", epoch, offset, heartbeat });
      if (gap !== undefined) this.#answer({ gap });
      this.#flushAnswers();
    }
    this.#beatGroup = this.#context.heartbeats.add(this);
    this.#webSocket.start(head);
    this.onReadable();
  }

  /**
   * Asks the client to go, when all that it has published is answered and all that it can read now is delivered.
   * What it sends from now on is refused. Idempotent.
   */
  leave(code: number, reason: string): void {
    this.#leaving ??= { code, reason };
    this.onReadable();
  }

  /** Ends the connection at once, with a reason. Idempotent. */
  close(code: number, reason: string): void {
    this.#webSocket.close(code, reason);
  }

  /** Ends the connection without a word. Idempotent. */
  terminate(): void {
    this.#webSocket.terminate();
  }

  onTooMuchUntaken(): void {
    this.terminate();
  }

  /** To be called every interval: a client that sent not a single byte in one, not even the pong, is gone. */
  beat(): void {
    const { bytesRead } = this.#webSocket;
    // Where this side does not read because it waits for the log, the silence says nothing about the client.
    const unheard = this.#paused && this.#publishing > 0;
    if (bytesRead === this.#bytesReadAtBeat && !unheard) {
      this.#context.logger.debug("heartbeat missed");
      this.#webSocket.terminate();
      return;
    }
    if (this.#webSocket.blockedMs > this.#context.limits.writeTimeoutMs) {
      // A Close frame would not arrive either.
      this.#context.logger.debug("client reads nothing");
      this.#webSocket.terminate();
      return;
    }
    this.#bytesReadAtBeat = bytesRead;
    this.#webSocket.ping();
    // Browsers show no pings to their pages.
    if (this.dialect === "resume") this.#answer({ heartbeat: this.#context.settings.heartbeatSeconds });
  }

  /** Writes what the cursor has, as far as the socket takes it. */
  onReadable(): void {
    if (!this.#webSocket.open) {
      // Nothing more goes out: what it has not read must not be kept for it until the peer has gone.
      this.#stopReading();
      return;
    }
    if (this.#cursor?.lost === true) {
      this.#webSocket.close(CloseCode.tryAgainLater, "reads too slowly");
      return;
    }
    if (!this.#webSocket.writable) return;
    const { counts } = this.#context.metrics;
    for (let slice = this.#cursor?.read(); slice !== undefined; slice = this.#cursor?.read()) {
      counts.deliveries += slice.frames;
      counts.deliveredBytes += slice.bytes.length;
      if (!this.#webSocket.write(slice.bytes)) return;
    }
    if (this.#leaving !== undefined) this.#leaveIfDone(this.#leaving);
  }

  onDrained(): void {
    this.#flushAnswers();
    this.onReadable();
    this.#resumeIfLevel();
  }

  onMessage(text: string | undefined): void {
    const { hub, settings, metrics, limits, unanswered } = this.#context;
    metrics.counts.received += 1;
    const message = parse(text, this.dialect, settings.maxPayloadBytes);
    if (message.kind === "invalid") {
      this.#refuse(message.error);
      return;
    }
    const { json, id } = message;
    if (!this.#rights.canPublish) {
      this.#refuse(withId({ code: "forbidden", message: "The token does not allow publishing." }, id));
      return;
    }
    if (this.#leaving !== undefined) {
      this.#refuse(unavailable("The server goes away; send the message again on the next connection.", id));
      return;
    }
    if (unanswered.bytes > limits.maxUnansweredBytes) {
      this.#refuse(
        unavailable("The server waits for the store of too many messages; send it again later.", id),
      );
      return;
    }
    const answer = hub.publish({
      channel: this.#channel,
      payload: json,
      id,
      publisher: this.#publisher,
      user: this.user.key,
    });
    if (!(answer instanceof Promise)) {
      this.#stored(answer, id);
      return;
    }
    this.#count(1, json.length);
    this.#pauseIfBehind();
    answer.then(
      (appended) => {
        this.#count(-1, -json.length);
        this.#stored(appended, id);
        this.#answered();
      },
      (error: unknown) => {
        this.#count(-1, -json.length);
        this.#context.logger.debug({ err: error, channel: this.#channel }, "message not published");
        this.#refuse(
          error instanceof IdInUseError && id !== undefined
            ? { code: "id_in_use", message: "Another message with this id is stored.", id }
            : unavailable("The message was not stored; send it again later.", id),
        );
        this.#answered();
      },
    );
  }

  onFrame(messages: number, bytes: number): boolean {
    const { messagesPerSecond, messageBurst, bytesPerSecond, bytesPerSecondPerUser } = this.#context.settings;
    const now = performance.now();
    this.#messages ??= new TokenBucket(messagesPerSecond, messageBurst, now);
    this.#bytes ??= new TokenBucket(bytesPerSecond, byteBurst(this.#context.settings), now);
    if (!this.#messages.take(messages, now)) {
      const limits = `more than ${messagesPerSecond} messages per second, or ${messageBurst} at once`;
      this.#webSocket.fail(CloseCode.policyViolation, limits);
      return false;
    }
    if (!this.#bytes.take(bytes, now)) {
      this.#webSocket.fail(CloseCode.policyViolation, `more than ${bytesPerSecond} bytes per second`);
      return false;
    }
    if (!this.user.take(bytes, now)) {
      this.#context.metrics.userLimited("bytes");
      const limit = `more than ${bytesPerSecondPerUser} bytes per second of one user`;
      this.#webSocket.fail(CloseCode.policyViolation, limit);
      return false;
    }
    return true;
  }

  onClosed(code: number): void {
    this.#stopReading();
    this.#dropAnswers();
    this.user.leave(this.#channel);
    this.#context.heartbeats.remove(this, this.#beatGroup);
    this.#context.metrics.closed(code);
    this.#context.logger.debug({ code }, "connection closed");
    this.#context.onClosed(this);
  }

  #stopReading(): void {
    this.#cursor?.close();
    this.#cursor = undefined;
  }

  #count(publishes: number, bytes: number): void {
    this.#publishing += publishes;
    this.#publishingBytes += bytes;
    this.#context.unanswered.bytes += bytes;
  }

  #answered(): void {
    this.#resumeIfLevel();
    if (this.#leaving !== undefined && this.#publishing === 0) this.onReadable();
  }

  #stored({ epoch, offset, duplicate }: Appended, id: string | undefined): void {
    const { counts } = this.#context.metrics;
    if (duplicate) counts.duplicates += 1;
    else counts.published += 1;
    if (id === undefined) return;
    this.#answer(duplicate ? { ack: id, epoch, offset, duplicate } : { ack: id, epoch, offset });
    this.#pauseIfBehind();
  }

  #refuse(error: ErrorBody): void {
    this.#context.metrics.publishRefused(error.code);
    this.#answer({ error });
    this.#pauseIfBehind();
  }

  /** Answers of one turn are one write. */
  #answer(message: ServerMessage): void {
    const text = encode(message);
    this.#answers.push(text);
    if (!this.#webSocket.writable) {
      this.#untakenBytes += ANSWER_OVERHEAD_BYTES + CODE_UNIT_BYTES * text.length;
      this.#context.untaken.keep(this, this.#answers, this.#untakenBytes);
    }
    if (this.#answers.length === 1) {
      queueMicrotask(() => {
        this.#flushAnswers();
      });
    }
  }

  #flushAnswers(): void {
    if (this.#answers.length === 0 || !this.#webSocket.writable) return;
    const frames = Buffer.concat(this.#answers.map(textFrame));
    this.#dropAnswers();
    this.#webSocket.write(frames);
    this.#resumeIfLevel();
  }

  #dropAnswers(): void {
    this.#answers.length = 0;
    this.#untakenBytes = 0;
    this.#context.untaken.release(this, this.#answers);
  }

  /** A client is not read while it has too much unanswered, or does not take its answers. */
  #pauseIfBehind(): void {
    if (this.#paused) return;
    const isBehind = this.#publishing + this.#answers.length >= MAX_UNANSWERED;
    if (!isBehind && this.#publishingBytes < MAX_UNANSWERED_BYTES) return;
    this.#paused = true;
    this.#webSocket.pause();
  }

  #resumeIfLevel(): void {
    if (!this.#paused || this.#publishing + this.#answers.length > MAX_UNANSWERED / 2) return;
    if (this.#publishingBytes > MAX_UNANSWERED_BYTES / 2) return;
    // What the client has sent meanwhile arrives at once, though the client has kept to its rates.
    const now = performance.now();
    this.#messages?.fill(now);
    this.#bytes?.fill(now);
    this.#paused = false;
    this.#webSocket.resume();
  }

  #leaveIfDone({ code, reason }: { readonly code: number; readonly reason: string }): void {
    if (this.#publishing > 0) return;
    this.#flushAnswers();
    if (this.#answers.length === 0) this.#webSocket.close(code, reason);
  }
}

const PLAIN_GREETING = textFrame(encode({ connection: "ok" }));

function unavailable(message: string, id: string | undefined): ErrorBody {
  return withId({ code: "unavailable", message }, id);
}

function withId(error: ErrorBody, id: string | undefined): ErrorBody {
  return id === undefined ? error : { ...error, id };
}
