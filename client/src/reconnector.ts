import { ChannelError } from "./api/error.ts";
import type { Delivery, Loss, Position } from "./api/events.ts";
import { readLimits } from "./api/limits.ts";
import type { Limits } from "./api/limits.ts";
import { globalWebSocket, parseChannelUrl } from "./api/options.ts";
import type { ConnectOptions } from "./api/options.ts";
import { Backoff } from "./connection/backoff.ts";
import { Connection, SUBPROTOCOL } from "./connection/connection.ts";
import { watchPage } from "./connection/pageEvents.ts";
import { RefusalCheck } from "./connection/refusal.ts";
import { SilenceDetector } from "./connection/silence.ts";
import { SuspensionDetector } from "./connection/suspension.ts";
import { parseFrame } from "./messages/frames.ts";
import type { Greeting } from "./messages/frames.ts";
import { Inbox } from "./messages/inbox.ts";
import { Outbox } from "./messages/outbox.ts";
import { Subscribers } from "./messages/subscribers.ts";
import { GLOBAL_PAGE, SYSTEM_CLOCK } from "./platform/platform.ts";
import type { Clock, WebSocketConstructor } from "./platform/platform.ts";
import { Timer } from "./platform/timer.ts";

/** When the page returns, the client replaces an attempt older than this: the attempt of a hidden page may hang. */
const MAX_ATTEMPT_AGE_MS = 2000;

const CLOSE_ABNORMAL = 1006;
const CLOSE_POLICY_VIOLATION = 1008;
const CLOSE_TOO_BIG = 1009;

/** The close codes after which the client reconnects soon. After other codes, it reconnects later. */
const SOON_CODES: ReadonlySet<number | undefined> = new Set([
  undefined,
  1000,
  1001,
  1005,
  CLOSE_ABNORMAL,
  1012,
]);

/** Keeps a channel connected: it opens a connection, routes its frames, and replaces it when it is lost. */
export class Reconnector<Message> {
  readonly subscribers = new Subscribers<Message>();
  readonly inbox: Inbox<Message>;
  readonly outbox: Outbox;

  readonly #url: URL;
  readonly #token: ConnectOptions["token"];
  readonly #WebSocket: WebSocketConstructor;
  readonly #limits: Limits;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #silence: SilenceDetector;
  readonly #suspension: SuspensionDetector;
  readonly #refusals: RefusalCheck;
  readonly #unwatchPage: () => void;
  readonly #closeTimer: Timer;

  #connection: Connection | undefined;
  #closing: Promise<void> | undefined;
  #resolveClosing: (() => void) | undefined;

  constructor(url: string | URL, options: ConnectOptions) {
    this.#url = parseChannelUrl(url);
    this.#token = options.token;
    this.#WebSocket = options.WebSocket ?? globalWebSocket();
    this.#limits = readLimits(options);
    const { clock = SYSTEM_CLOCK, random = Math.random, page = GLOBAL_PAGE } = options;
    this.#clock = clock;
    this.inbox = new Inbox(this.subscribers, options.from);
    this.outbox = new Outbox({
      limits: this.#limits,
      clock,
      random,
      onAckTimeout: () => {
        this.#lose({ reason: `a publish was not answered within ${this.#limits.ackTimeoutMs} ms` });
      },
      onSettle: () => {
        // The channel ends after the promise of the publish has settled.
        if (this.#closing === undefined) return;
        queueMicrotask(() => {
          this.#endIfDone();
        });
      },
    });
    this.#backoff = new Backoff(this.#limits, clock, random, () => {
      this.#connect();
    });
    this.#silence = new SilenceDetector(clock, (silenceMs) => {
      this.#lose({ reason: `no frame within ${silenceMs} ms` });
    });
    this.#suspension = new SuspensionDetector(clock, () => {
      this.#reconnect();
    });
    this.#refusals = new RefusalCheck(this.#url, options.token !== undefined);
    this.#closeTimer = new Timer(clock, () => {
      this.#end();
    });
    this.#unwatchPage = watchPage(page, ({ hasLostConnections }) => {
      this.#onPageReturn(hasLostConnections);
    });
    this.#connect();
  }

  publish(value: Message, signal: AbortSignal | undefined): Promise<Position> {
    if (this.#closing !== undefined) throw new ChannelError("closed", "The channel is closed.");
    return this.outbox.add(value, signal);
  }

  deliveries(): AsyncIterableIterator<Delivery<Message>, undefined> {
    return this.subscribers.deliveries(this.#limits);
  }

  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = new Promise((resolve) => {
        this.#resolveClosing = resolve;
      });
      this.#closeTimer.start(this.#limits.closeTimeoutMs);
      this.#endIfDone();
    }
    return this.#closing;
  }

  #connect(): void {
    const connection = new Connection({
      url: this.inbox.resumeUrl(this.#url),
      WebSocket: this.#WebSocket,
      token: this.#token,
      clock: this.#clock,
      timeoutMs: this.#limits.connectTimeoutMs,
      onData: (data) => {
        this.#receive(connection, data);
      },
      onLoss: (loss, status) => {
        this.#onLoss(loss, status);
      },
      onInvalidUrl: (error) => {
        this.#end(error);
      },
    });
    this.#connection = connection;
    this.subscribers.setState({ name: "connecting", failures: this.#backoff.failures });
    void connection.open();
  }

  /** The new connection resumes at the position of the previous one, even if that one was not dead. */
  #reconnect(): void {
    this.#disconnect({ isDead: true });
    if (!this.subscribers.isClosed) this.#connect();
  }

  #receive(connection: Connection, data: unknown): void {
    this.#silence.onFrame();
    const frame = parseFrame(data);
    if (frame.kind === "greeting") {
      this.#onGreeting(connection, frame);
      return;
    }
    const { position } = this.inbox;
    if (frame.kind === "malformed" || position === undefined || this.subscribers.state.name !== "open") {
      this.#lose({ reason: `not ${SUBPROTOCOL}: ${String(data).slice(0, 100)}` });
      return;
    }
    if (frame.kind === "gap") this.inbox.onGap(frame.gap);
    this.inbox.reportPendingGap();
    // A listener may have closed the channel.
    if (this.subscribers.isClosed) return;
    switch (frame.kind) {
      case "message":
        this.inbox.onMessage(position, frame);
        break;
      case "ack":
        this.outbox.acknowledge(frame.id, { epoch: frame.epoch ?? position.epoch, offset: frame.offset });
        break;
      case "error":
        this.outbox.handleError(frame.id, frame.code, frame.message);
        break;
      case "heartbeat":
        this.#silence.onHeartbeat(frame.seconds);
        break;
      case "gap":
      case "unknown":
    }
  }

  #onGreeting(connection: Connection, greeting: Greeting): void {
    connection.onGreeting();
    this.inbox.reportPendingGap();
    if (this.subscribers.isClosed) return;
    this.inbox.onGreeting(greeting);
    this.#refusals.onGreeting();
    this.#suspension.start();
    const { epoch, offset, heartbeat } = greeting;
    this.#silence.onGreeting(heartbeat);
    this.outbox.connect(connection);
    this.subscribers.setState({ name: "open", epoch, offset, heartbeat });
    this.outbox.flush();
  }

  #onLoss(loss: Loss, status: number): void {
    const refusal = this.#refusals.check(status);
    if (refusal !== undefined) {
      this.#end(refusal);
      return;
    }
    this.#lose(loss);
    if (loss.code === CLOSE_ABNORMAL && loss.reason === "") void this.#probe();
  }

  async #probe(): Promise<void> {
    if (this.subscribers.isClosed) return;
    const refusal = await this.#refusals.probe();
    if (refusal !== undefined) this.#end(refusal);
  }

  /** Starts the wait before the next attempt. */
  #lose(loss: Loss): void {
    if (loss.code === CLOSE_TOO_BIG) this.outbox.rejectLargest();
    const openMs = this.#connection?.openMs ?? 0;
    this.#disconnect({ isDead: true });
    if (this.subscribers.isClosed) return;
    // After 1008, a new token may be all that is needed.
    const isSoon =
      SOON_CODES.has(loss.code) || (loss.code === CLOSE_POLICY_VIOLATION && this.#token !== undefined);
    const delay = this.#backoff.start(openMs, !isSoon);
    this.subscribers.setState({ name: "waiting", delay, ...loss });
  }

  #disconnect({ isDead }: { readonly isDead: boolean }): void {
    this.#backoff.stop();
    this.#suspension.stop();
    this.#silence.stop();
    this.outbox.disconnect();
    this.#connection?.close({ isDead });
    this.#connection = undefined;
    this.inbox.reportPendingGap();
  }

  #onPageReturn(hasLostConnections: boolean): void {
    switch (this.subscribers.state.name) {
      case "waiting":
        this.#backoff.shorten();
        break;
      case "connecting":
        if ((this.#connection?.ageMs ?? 0) > MAX_ATTEMPT_AGE_MS) this.#reconnect();
        break;
      case "open":
        if (hasLostConnections || this.#suspension.wasSuspended()) this.#reconnect();
        break;
      case "closed":
    }
  }

  #endIfDone(): void {
    if (this.outbox.size === 0) this.#end();
  }

  #end(error?: ChannelError): void {
    if (this.subscribers.isClosed) return;
    this.#closing ??= Promise.resolve();
    this.#unwatchPage();
    this.#refusals.stop();
    // A server that acknowledges nothing is not expected to answer a Close frame.
    this.#disconnect({ isDead: this.outbox.size > 0 });
    this.outbox.rejectAll(
      error ?? new ChannelError("closed", "The channel was closed before the acknowledgement."),
    );
    this.#closeTimer.stop();
    this.subscribers.setState(error === undefined ? { name: "closed" } : { name: "closed", error });
    this.subscribers.end(error);
    this.#resolveClosing?.();
  }
}
