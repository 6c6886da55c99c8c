import type { Socket } from "node:net";

import type { Logger } from "pino";

import type { Rights } from "../auth/authorize.ts";
import type { User } from "../auth/users.ts";
import type { Cursor, Joined, Listener } from "../channel/cursor.ts";
import type { Hub } from "../channel/hub.ts";
import { IdInUseError } from "../log/log.ts";
import type { Appended } from "../log/log.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Settings } from "../settings/settings.ts";
import { textFrame } from "../wire/frame.ts";
import { CloseCode } from "../wire/closeCode.ts";
import { encode } from "../wire/encode.ts";
import { parse } from "../wire/parse.ts";
import type { Dialect, ErrorBody, ServerMessage } from "../wire/messages.ts";
import { Answers } from "./answers.ts";
import { ClientRates } from "./clientRates.ts";
import type { RateSettings } from "./clientRates.ts";
import type { Beating, Heartbeats } from "./heartbeats.ts";
import { ServerWebSocket } from "./webSocket/webSocket.ts";
import type { TaskMemory, WebSocketEvents } from "./webSocket/webSocket.ts";
import type { WireLimits } from "./wireLimits.ts";

/** Maximum of publishes and answers that one client may have pending. Beyond it, nothing is read from the client. */
const MAX_UNANSWERED = 256;
const MAX_UNANSWERED_BYTES = 256 * 1024;

/** Maximum size of a `resume` client's frame in addition to the published value: keys, and an id in escapes. */
const ENVELOPE_BYTES = 1024;

const PLAIN_GREETING = textFrame(encode({ connection: "ok" }));

/** What all connections of a server share. */
export interface ConnectionContext extends TaskMemory {
  readonly hub: Hub;
  readonly settings: RateSettings & Pick<Settings, "heartbeatSeconds" | "bytesPerSecondPerUser">;
  readonly limits: Pick<WireLimits, "maxUnansweredBytes" | "writeTimeoutMs">;
  /** Bytes of all publishes that the log has not answered yet. */
  readonly unanswered: { bytes: number };
  readonly heartbeats: Heartbeats;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly onClosed: (connection: Connection) => void;
}

/** The client of a connection. */
export interface ClientIdentity {
  readonly rights: Rights;
  /** The user whose limits apply. The connection leaves it when it has closed. */
  readonly user: User;
  /**
   * The subject of the client's token, whose ids of messages are its own; `undefined` if there is none. An address is no
   * publisher: a client that repeats a publish after its address has changed must be recognized by the id.
   */
  readonly publisher: string | undefined;
}

/**
 * One client in one channel: applies the client's rights and limits, publishes what it sends, and delivers from its cursor.
 * A slow client has no queue of messages: delivery continues at the cursor when the socket accepts more.
 */
export class Connection implements WebSocketEvents, Listener, Beating {
  readonly dialect: Dialect;
  readonly user: User;
  readonly #channel: string;
  readonly #rights: Rights;
  readonly #publisher: string | undefined;
  readonly #context: ConnectionContext;
  readonly #webSocket: ServerWebSocket;
  /** `undefined` until the client sends something. Most clients are idle. */
  #rates: ClientRates | undefined;
  /** `undefined` until there is an answer. */
  #answers: Answers | undefined;
  #cursor: Cursor | undefined;
  /** Publishes that the log has not answered yet. */
  #publishing = 0;
  #publishingBytes = 0;
  #isPaused = false;
  #leaving: { readonly code: number; readonly reason: string } | undefined;
  #bytesReadAtBeat = -1;
  #beatGroup = 0;

  /** Neither reads nor writes before {@link start}. */
  constructor(
    socket: Socket,
    channel: string,
    dialect: Dialect,
    { rights, user, publisher }: ClientIdentity,
    context: ConnectionContext,
  ) {
    const { maxPayloadBytes } = context.settings;
    this.dialect = dialect;
    this.user = user;
    this.#channel = channel;
    this.#rights = rights;
    this.#publisher = publisher;
    this.#context = context;
    const maxFrameBytes = maxPayloadBytes + (dialect === "plain" ? 0 : ENVELOPE_BYTES);
    this.#webSocket = new ServerWebSocket(socket, maxFrameBytes, this, context);
  }

  /**
   * Accepts the upgrade, sends the greeting, and begins to deliver and to read.
   * @param response the response to the upgrade request. The greeting and the first frames are one write with it.
   * @param head bytes that arrived with the upgrade request.
   */
  start(response: string, { cursor, epoch, offset, gap }: Joined, head: Buffer): void {
    this.#webSocket.cork(response);
    if (this.#rights.canSubscribe) this.#cursor = cursor;
    else cursor.close();
    if (this.dialect === "plain") {
      this.#webSocket.write(PLAIN_GREETING);
    } else {
      const { heartbeatSeconds: heartbeat } = this.#context.settings;
      this.#answer({ connection: "ok", epoch, offset, heartbeat });
      if (gap !== undefined) this.#answer({ gap });
      this.#answers?.flush();
    }
    this.#beatGroup = this.#context.heartbeats.add(this);
    this.#webSocket.start(head);
    this.onReadable();
    this.#webSocket.uncork();
    // The write has at most one slice, so that the memory of each slice is counted.
    this.onReadable();
  }

  /**
   * Closes the connection when all publishes of the client are answered and all that it can read now is delivered. What the
   * client sends from now on is refused. Idempotent.
   */
  leave(code: number, reason: string): void {
    this.#leaving ??= { code, reason };
    this.onReadable();
  }

  /** Closes the connection at once, with a Close frame. Idempotent. */
  close(code: number, reason: string): void {
    this.#webSocket.close(code, reason);
  }

  /** Closes the connection without a Close frame. Idempotent. */
  terminate(): void {
    this.#webSocket.terminate();
  }

  /** Ends a connection whose client has sent no byte for one interval, not even a pong. Otherwise sends a ping. */
  beat(): void {
    const { bytesRead } = this.#webSocket;
    // While the server does not read because it waits for the log, the silence proves nothing.
    const isWaitingForLog = this.#isPaused && this.#publishing > 0;
    if (bytesRead === this.#bytesReadAtBeat && !isWaitingForLog) {
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
    // Browsers do not report pings to their pages.
    if (this.dialect === "resume") this.#answer({ heartbeat: this.#context.settings.heartbeatSeconds });
  }

  /** Writes from the cursor to the end of the channel, as far as the socket accepts it. */
  onReadable(): void {
    if (!this.#webSocket.open) {
      // Nothing more is written. An open cursor would keep frames in memory until the peer has gone.
      this.#closeCursor();
      return;
    }
    if (this.#cursor?.isLost === true) {
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
    this.#answers?.flush();
    this.onReadable();
    this.#resumeIfCaughtUp();
  }

  onFrame(messages: number, bytes: number): boolean {
    const { settings, metrics } = this.#context;
    const now = performance.now();
    this.#rates ??= new ClientRates(settings, now);
    let exceeded = this.#rates.take(messages, bytes, now);
    if (exceeded === undefined && !this.user.take(bytes, now)) {
      metrics.count("usersLimited", "bytes");
      exceeded = `more than ${settings.bytesPerSecondPerUser} bytes per second of one user`;
    }
    if (exceeded === undefined) return true;
    this.#webSocket.fail(CloseCode.policyViolation, exceeded);
    return false;
  }

  onMessage(text: string | undefined): void {
    const { hub, settings, metrics } = this.#context;
    metrics.counts.received += 1;
    const message = parse(text, this.dialect, settings.maxPayloadBytes);
    if (message.kind === "invalid") {
      this.#refuse(message.error);
      return;
    }
    const { json, id } = message;
    const refusal = this.#publishRefusal();
    if (refusal !== undefined) {
      this.#refuse(withId(refusal, id));
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
      this.#acknowledge(answer, id);
      return;
    }
    this.#countPublishes(1, json.length);
    this.#pauseIfBehind();
    answer.then(
      (appended) => {
        this.#countPublishes(-1, -json.length);
        this.#acknowledge(appended, id);
        this.#onPublishAnswered();
      },
      (error: unknown) => {
        this.#countPublishes(-1, -json.length);
        this.#context.logger.debug({ err: error, channel: this.#channel }, "message not published");
        this.#refuse(withId(error instanceof IdInUseError ? ID_IN_USE : NOT_STORED, id));
        this.#onPublishAnswered();
      },
    );
  }

  onClosed(code: number): void {
    this.#closeCursor();
    this.#answers?.drop();
    this.user.leave(this.#channel);
    this.#context.heartbeats.remove(this, this.#beatGroup);
    this.#context.metrics.count("closes", code);
    this.#context.logger.debug({ code }, "connection closed");
    this.#context.onClosed(this);
  }

  #closeCursor(): void {
    this.#cursor?.close();
    this.#cursor = undefined;
  }

  #countPublishes(publishes: number, bytes: number): void {
    this.#publishing += publishes;
    this.#publishingBytes += bytes;
    this.#context.unanswered.bytes += bytes;
  }

  /** The error that answers every publish of the client now. */
  #publishRefusal(): ErrorBody | undefined {
    const { limits, unanswered } = this.#context;
    if (!this.#rights.canPublish) return FORBIDDEN;
    if (this.#leaving !== undefined) return LEAVING;
    return unanswered.bytes > limits.maxUnansweredBytes ? OVERLOADED : undefined;
  }

  #onPublishAnswered(): void {
    this.#resumeIfCaughtUp();
    if (this.#leaving !== undefined && this.#publishing === 0) this.onReadable();
  }

  #acknowledge({ epoch, offset, duplicate }: Appended, id: string | undefined): void {
    const { counts } = this.#context.metrics;
    if (duplicate) counts.duplicates += 1;
    else counts.published += 1;
    if (id === undefined) return;
    this.#answer(duplicate ? { ack: id, epoch, offset, duplicate } : { ack: id, epoch, offset });
    this.#pauseIfBehind();
  }

  #refuse(error: ErrorBody): void {
    this.#context.metrics.count("publishesRefused", error.code);
    this.#answer({ error });
    this.#pauseIfBehind();
  }

  #answer(message: ServerMessage): void {
    this.#answers ??= new Answers(this.#webSocket, this.#context.untaken, () => {
      this.#resumeIfCaughtUp();
    });
    this.#answers.add(message);
  }

  get #pending(): number {
    return this.#publishing + (this.#answers?.length ?? 0);
  }

  /** Stops reading from a client that has too much pending, or does not read its answers. */
  #pauseIfBehind(): void {
    if (this.#isPaused) return;
    if (this.#pending < MAX_UNANSWERED && this.#publishingBytes < MAX_UNANSWERED_BYTES) return;
    this.#isPaused = true;
    this.#webSocket.pause();
  }

  #resumeIfCaughtUp(): void {
    if (!this.#isPaused || this.#pending > MAX_UNANSWERED / 2) return;
    if (this.#publishingBytes > MAX_UNANSWERED_BYTES / 2) return;
    this.#rates?.creditPause(performance.now());
    this.#isPaused = false;
    this.#webSocket.resume();
  }

  #leaveIfDone({ code, reason }: { readonly code: number; readonly reason: string }): void {
    if (this.#publishing > 0) return;
    this.#answers?.flush();
    if (this.#pending === 0) this.#webSocket.close(code, reason);
  }
}

const FORBIDDEN: ErrorBody = { code: "forbidden", message: "The token does not allow publishing." };
const LEAVING: ErrorBody = {
  code: "unavailable",
  message: "The server goes away; send the message again on the next connection.",
};
const OVERLOADED: ErrorBody = {
  code: "unavailable",
  message: "The server waits for the store of too many messages; send it again later.",
};
const NOT_STORED: ErrorBody = {
  code: "unavailable",
  message: "The message was not stored; send it again later.",
};
const ID_IN_USE: ErrorBody = { code: "id_in_use", message: "Another message with this id is stored." };

function withId(error: ErrorBody, id: string | undefined): ErrorBody {
  return id === undefined ? error : { ...error, id };
}
