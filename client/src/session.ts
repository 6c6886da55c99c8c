import { ClientError } from "./api/error.ts";
import type { ConnectionEvents, ConnectionState, Loss, Opened, Published } from "./api/events.ts";
import { readLimits } from "./api/limits.ts";
import type { Limits } from "./api/limits.ts";
import { checkChannelName, checkLast, globalWebSocket, parseServerUrl } from "./api/options.ts";
import type { ChannelOptions, ConnectOptions } from "./api/options.ts";
import { Backoff } from "./connection/backoff.ts";
import { CLOSE_ABNORMAL, CLOSE_TOO_BIG, isSoonCode } from "./connection/closeCodes.ts";
import { watchPage } from "./connection/pageEvents.ts";
import { RefusalCheck } from "./connection/refusal.ts";
import { renewalDelay } from "./connection/renewal.ts";
import { Link } from "./link.ts";
import type { LinkEvents, LinkOptions } from "./link.ts";
import type { AckFrame, ErrorFrame } from "./messages/frames.ts";
import { Outbox } from "./messages/outbox.ts";
import type { Subscription, SubscriptionReader } from "./messages/subscription.ts";
import { Subscriptions } from "./messages/subscriptions.ts";
import { Emitter } from "./platform/emitter.ts";
import { GLOBAL_PAGE, SYSTEM_CLOCK } from "./platform/platform.ts";
import { Timer } from "./platform/timer.ts";

/** When the page returns, the client replaces an attempt older than this: the attempt of a hidden page may hang. */
const MAX_ATTEMPT_AGE_MS = 2000;

/** Keeps a connection open: it opens a link, and replaces it when it is lost or before its token expires. */
export class Session implements LinkEvents {
  readonly events = new Emitter<ConnectionEvents>();
  readonly limits: Limits;
  readonly outbox: Outbox;
  readonly subscriptions = new Subscriptions();

  readonly #linkOptions: LinkOptions;
  readonly #backoff: Backoff;
  readonly #renewalTimer: Timer;
  readonly #refusals: RefusalCheck;
  readonly #unwatchPage: () => void;
  readonly #closeTimer: Timer;

  #state: ConnectionState = "connecting";
  #link: Link | undefined;
  /** The link with a new token, until it has all channels. */
  #nextLink: Link | undefined;
  /** The expiry of the token of the newest greeting, by the monotonic clock. */
  #expiresAt = Infinity;
  #closing: Promise<void> | undefined;
  #resolveClosing: (() => void) | undefined;

  constructor(url: string | URL, options: ConnectOptions) {
    const { clock = SYSTEM_CLOCK, random = Math.random, page = GLOBAL_PAGE, token } = options;
    const limits = readLimits(options);
    const serverUrl = parseServerUrl(url);
    const WebSocket = options.WebSocket ?? globalWebSocket();
    this.limits = limits;
    const { subscriptions } = this;
    this.#linkOptions = { url: serverUrl, WebSocket, token, limits, clock, random, subscriptions };
    this.outbox = new Outbox({
      limits,
      clock,
      random,
      onSettle: () => {
        // The connection ends after the promise of the publish has settled.
        if (this.#closing === undefined) return;
        queueMicrotask(() => {
          this.#endIfDone();
        });
      },
    });
    this.#backoff = new Backoff(limits, clock, random, () => {
      this.#openLink();
    });
    this.#renewalTimer = new Timer(clock, () => {
      this.#openLink();
    });
    this.#refusals = new RefusalCheck(serverUrl, this.#canRenew);
    this.#closeTimer = new Timer(clock, () => {
      this.#end();
    });
    this.#unwatchPage = watchPage(page, ({ hasLostConnections }) => {
      this.#onPageReturn(hasLostConnections);
    });
    this.#openLink();
  }

  get state(): ConnectionState {
    return this.#state;
  }

  join(name: string, options: ChannelOptions<never>, reader: SubscriptionReader): Subscription {
    checkChannelName(name);
    checkLast(options.last);
    this.#checkOpen();
    return this.subscriptions.join(name, options, reader);
  }

  publish(channel: string, value: unknown, signal: AbortSignal | undefined): Promise<Published> {
    checkChannelName(channel);
    this.#checkOpen();
    return this.outbox.add(channel, value, signal);
  }

  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = new Promise((resolve) => {
        this.#resolveClosing = resolve;
      });
      this.#closeTimer.start(this.limits.closeTimeoutMs);
      this.#endIfDone();
    }
    return this.#closing;
  }

  onGreeting(link: Link, greeting: Opened): void {
    const { expiresIn = Infinity } = greeting;
    this.#expiresAt = this.#linkOptions.clock.now() + expiresIn * 1000;
    // Before the publishes, so that the application receives them if it has joined their channels.
    link.subscribe();
    if (link === this.#link) {
      this.#refusals.onGreeting();
      this.#activate(link);
    }
    this.#state = "open";
    this.events.emit("open", greeting);
    this.onSettle(link);
  }

  /** The new link has all channels, so the previous one is not needed any more. */
  onSettle(link: Link): void {
    if (link !== this.#nextLink || !link.isSettled) return;
    this.#promote({ isDead: false });
  }

  onAck(ack: AckFrame): void {
    this.outbox.acknowledge(ack);
  }

  onError(error: ErrorFrame): void {
    if (error.id !== undefined) this.outbox.onError(error);
    else this.events.emit("error", new ClientError(error.code, error.message));
  }

  onLoss(link: Link, loss: Loss, status: number): void {
    if (link === this.#nextLink) {
      this.#loseNext(link, loss);
      return;
    }
    const refusal = this.#refusals.check(status);
    if (refusal !== undefined) {
      this.#end(refusal);
      return;
    }
    this.#lose(loss);
    if (loss.code === CLOSE_ABNORMAL && loss.reason === "") void this.#probe();
  }

  onInvalidUrl(error: ClientError): void {
    this.#end(error);
  }

  get #canRenew(): boolean {
    return typeof this.#linkOptions.token === "function";
  }

  get #isClosed(): boolean {
    return this.#state === "closed";
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new ClientError("closed", "The connection is closed.");
  }

  /** Opens a link, or the next one if there is a link. */
  #openLink(): void {
    const link = new Link(this.#linkOptions, this);
    if (this.#link === undefined) this.#link = link;
    else this.#nextLink = link;
    link.open();
  }

  /** Publishes on this link from now on, and watches it. */
  #activate(link: Link): void {
    this.outbox.connect(link);
    this.outbox.flush();
    if (this.#canRenew && this.#expiresAt < Infinity) {
      const { clock, random } = this.#linkOptions;
      this.#renewalTimer.start(renewalDelay(this.#expiresAt - clock.now(), random()));
    }
  }

  /** The next link becomes the present one. */
  #promote(end: { readonly isDead: boolean }): void {
    const previous = this.#link;
    const link = this.#nextLink;
    this.#link = link;
    this.#nextLink = undefined;
    this.#stopTimers();
    this.outbox.disconnect();
    previous?.close(end);
    if (link?.isOpen === true) this.#activate(link);
  }

  #loseNext(link: Link, loss: Loss): void {
    const hasChannels = link.ownsAny;
    this.#nextLink = undefined;
    link.close({ isDead: true });
    // The present link no longer has all messages of the channels that the next one has taken over.
    if (hasChannels) this.#lose(loss);
    else this.#backoff.start(0, true);
    this.events.emit(
      "error",
      new ClientError("renewal_failed", `The new connection failed: ${loss.reason}.`),
    );
  }

  async #probe(): Promise<void> {
    if (this.#isClosed) return;
    const refusal = await this.#refusals.probe();
    if (refusal !== undefined) this.#end(refusal);
  }

  /** Replaces the present link by the next one, or starts the wait before the next attempt. */
  #lose(loss: Loss): void {
    if (loss.code === CLOSE_TOO_BIG) this.outbox.rejectLargest();
    const openMs = this.#link?.openMs ?? 0;
    if (this.#nextLink !== undefined) {
      this.#promote({ isDead: true });
      if (this.#link?.isOpen !== true) this.#setReconnecting(0, loss);
      return;
    }
    this.#disconnect({ isDead: true });
    if (!this.#canRenew && this.#linkOptions.clock.now() >= this.#expiresAt) {
      this.#end(new ClientError("token_expired", "`token`: got a token that has expired."));
    }
    if (this.#isClosed) return;
    const delay = this.#backoff.start(openMs, !isSoonCode(loss.code, this.#canRenew));
    this.#setReconnecting(delay, loss);
  }

  #setReconnecting(delay: number, loss: Loss): void {
    const { failures } = this.#backoff;
    this.#state = "reconnecting";
    this.events.emit("reconnecting", { delay, failures, ...loss });
  }

  #disconnect(end: { readonly isDead: boolean }): void {
    this.#stopTimers();
    this.outbox.disconnect();
    const links = [this.#link, this.#nextLink];
    this.#link = this.#nextLink = undefined;
    for (const link of links) link?.close(end);
  }

  #stopTimers(): void {
    this.#backoff.stop();
    this.#renewalTimer.stop();
  }

  #onPageReturn(hasLostConnections: boolean): void {
    const link = this.#link;
    if (link === undefined) {
      this.#backoff.shorten();
    } else if (link.isOpen ? hasLostConnections || link.isSilent : link.ageMs > MAX_ATTEMPT_AGE_MS) {
      // The new link resumes at the positions of the previous one, even if that one was not dead.
      this.#disconnect({ isDead: true });
      this.#openLink();
      this.#setReconnecting(0, { reason: "the page or the network has returned" });
    }
  }

  #endIfDone(): void {
    if (this.outbox.size === 0) this.#end();
  }

  #end(error?: ClientError): void {
    if (this.#isClosed) return;
    this.#state = "closed";
    this.#closing ??= Promise.resolve();
    this.#unwatchPage();
    this.#refusals.stop();
    // A server that acknowledges nothing is not expected to answer a Close frame.
    this.#disconnect({ isDead: this.outbox.size > 0 });
    this.outbox.rejectAll(
      error ?? new ClientError("closed", "The connection was closed before the acknowledgement."),
    );
    this.#closeTimer.stop();
    this.subscriptions.endAll(error);
    // A listener of another event may have called `close()`. The further listeners receive that event first.
    queueMicrotask(() => {
      this.events.emit("closed", error ? { reason: error.message, error } : { reason: "close() was called" });
    });
    this.#resolveClosing?.();
  }
}
