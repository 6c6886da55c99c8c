import { ClientError } from "../api/error.ts";
import type { Position } from "../api/events.ts";
import type { Limits } from "../api/limits.ts";
import type { Clock } from "../platform/platform.ts";
import { Timer } from "../platform/timer.ts";
import { TEMPORARY_CODES } from "./frames.ts";
import type { ErrorFrame, Frame } from "./frames.ts";
import type { Subscription } from "./subscription.ts";
import type { Subscriptions } from "./subscriptions.ts";
import { TokenBucket } from "./tokenBucket.ts";

/** The server refills its budget of subscribes in this time. */
const REFILL_SECONDS = 30;

/** A channel on this WebSocket. There is at most one request for it at a time. */
interface ChannelState {
  /** `rejected` waits before the next subscribe. */
  kind: "subscribing" | "subscribed" | "unsubscribing" | "rejected";
  readonly subscription: Subscription;
  /** The position at which it resumed or is. */
  position: { readonly epoch: string; offset: number } | undefined;
  readonly retryTimer: Timer;
}

/** The part of a WebSocket that a subscriber uses. */
export interface RequestWriter {
  /** Sends a frame that the server answers. */
  request(frame: string): void;
  onAnswer(): void;
}

export interface SubscriberOptions {
  readonly subscriptions: Subscriptions;
  readonly writer: RequestWriter;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly random: () => number;
  /** All channels are subscribed on this WebSocket. It may be called repeatedly. */
  readonly onSettle: () => void;
}

/** Subscribes one WebSocket to the channels of the application, and passes on their frames. */
export class Subscriber {
  readonly #options: SubscriberOptions;
  readonly #states = new Map<string, ChannelState>();
  /** The channels for which there may be something to send. */
  readonly #due = new Set<string>();
  /** Consecutive rejections of a channel's subscribe. */
  readonly #failures = new Map<string, number>();
  readonly #bucket: TokenBucket;
  readonly #bucketTimer: Timer;
  /** The number of channels with a request, or a wait before the next one. */
  #unsettled = 0;
  #isStarted = false;

  constructor(options: SubscriberOptions) {
    const { subscriptions, limits, clock } = options;
    this.#options = options;
    this.#bucket = new TokenBucket(limits.subscribeBurst / REFILL_SECONDS, limits.subscribeBurst, clock.now);
    this.#bucketTimer = new Timer(clock, () => {
      this.#flush();
    });
    subscriptions.add(this);
  }

  get isSettled(): boolean {
    return this.#isStarted && this.#due.size === 0 && this.#unsettled === 0;
  }

  /** Whether it has taken over a channel. */
  get ownsAny(): boolean {
    return [...this.#states.values()].some(({ subscription }) => subscription.owner === this);
  }

  start(): void {
    this.#isStarted = true;
    for (const name of this.#options.subscriptions.names()) this.#due.add(name);
    this.#flush();
  }

  stop(): void {
    this.#isStarted = false;
    this.#bucketTimer.stop();
    this.#options.subscriptions.remove(this);
    for (const [name, { subscription, retryTimer }] of this.#states) {
      retryTimer.stop();
      this.#release(subscription);
      if (subscription.owner === this) subscription.owner = undefined;
      this.#options.subscriptions.update(name);
    }
  }

  /** The application may have joined or left the channel. */
  update(name: string): void {
    this.#due.add(name);
    this.#flush();
    this.#checkSettled();
  }

  /** Handles an error of the server. Returns whether it answers a request of this subscriber. */
  onError({ code, message, channel = "" }: ErrorFrame): boolean {
    const state = this.#states.get(channel);
    if (state === undefined) return false;
    const { kind, subscription } = state;
    if (kind === "subscribing") {
      this.#onAnswer(subscription);
      if (TEMPORARY_CODES.has(code)) {
        state.kind = "rejected";
        this.#unsettled += 1;
        this.#retryLater(state);
      } else {
        this.#states.delete(channel);
        this.#failures.delete(channel);
        if (this.#isWanted(subscription)) {
          this.#options.subscriptions.end(subscription, new ClientError(code, message));
        }
      }
    } else if (kind === "unsubscribing") {
      this.#onAnswer(subscription);
      state.kind = "subscribed";
      this.#retryLater(state);
    } else {
      return false;
    }
    if (code === "rate_limited") this.#bucket.drain();
    this.#options.subscriptions.update(channel);
    return true;
  }

  onFrame(frame: Extract<Frame, { readonly kind: "subscribed" | "unsubscribed" | "gap" | "message" }>): void {
    const state = this.#states.get(frame.channel);
    if (state === undefined) return;
    const { subscription } = state;
    switch (frame.kind) {
      case "message":
        if (state.position === undefined || !this.#isReading(state)) return;
        state.position.offset = frame.offset;
        subscription.onMessage(state.position.epoch, frame);
        break;
      case "subscribed":
        this.#onSubscribed(state, { epoch: frame.epoch, offset: frame.offset });
        break;
      case "gap":
        if (!this.#isReading(state)) return;
        subscription.onGap(frame.gap);
        break;
      case "unsubscribed":
        if (state.kind === "unsubscribing") this.#onAnswer(subscription);
        else if (state.kind !== "subscribed") return;
        this.#states.delete(frame.channel);
        this.update(frame.channel);
    }
  }

  #onSubscribed(state: ChannelState, at: Position): void {
    const { subscription, position: before } = state;
    const { name } = subscription;
    const isAnswer = state.kind === "subscribing";
    if (!isAnswer && !this.#isReading(state)) return;
    state.position = { ...at };
    if (isAnswer) {
      state.kind = "subscribed";
      this.#failures.delete(name);
      this.#onAnswer(subscription);
      if (this.#isWanted(subscription)) subscription.owner = this;
    }
    if (this.#isReading(state)) subscription.onSubscribed(before, at);
    if (isAnswer) this.#options.subscriptions.update(name);
  }

  #flush(): void {
    if (!this.#isStarted || this.#bucketTimer.isRunning) return;
    const { subscriptions, writer } = this.#options;
    for (const name of this.#due) {
      const wanted = subscriptions.get(name);
      let state = this.#states.get(name);
      if (state?.kind === "rejected" && state.subscription !== wanted) {
        this.#forget(state);
        state = undefined;
      }
      const isMissing = state === undefined && wanted !== undefined;
      const isObsolete =
        state?.kind === "subscribed" && state.subscription !== wanted && !state.retryTimer.isRunning;
      if (!isMissing && !isObsolete) {
        this.#due.delete(name);
        continue;
      }
      // Another WebSocket has requested the position at which this one will begin.
      if (wanted?.position === undefined && (wanted?.requester ?? this) !== this) continue;
      const wait = this.#bucket.wait(1);
      if (wait > 0) {
        this.#bucketTimer.start(wait);
        return;
      }
      this.#bucket.take(1);
      this.#due.delete(name);
      this.#unsettled += 1;
      if (isObsolete && state !== undefined) {
        state.kind = "unsubscribing";
        writer.request(JSON.stringify({ unsubscribe: name }));
      } else if (wanted !== undefined) {
        this.#states.set(name, this.#createState(wanted));
        wanted.requester = this;
        writer.request(wanted.frame);
      }
    }
  }

  #createState(subscription: Subscription): ChannelState {
    const { name, position } = subscription;
    const retryTimer = new Timer(this.#options.clock, () => {
      const state = this.#states.get(name);
      if (state?.kind === "rejected") this.#forget(state);
      this.update(name);
    });
    return { kind: "subscribing", subscription, position, retryTimer };
  }

  #retryLater({ subscription, retryTimer }: ChannelState): void {
    const { limits, random } = this.#options;
    const failures = this.#failures.get(subscription.name) ?? 0;
    this.#failures.set(subscription.name, failures + 1);
    const longest = Math.min(limits.backoffCapMs, limits.backoffBaseMs * 2 ** failures);
    // At least half of it, because the server has asked for a later attempt.
    retryTimer.start(longest * (0.5 + 0.5 * random()));
  }

  #forget({ subscription, retryTimer }: ChannelState): void {
    retryTimer.stop();
    this.#unsettled -= 1;
    this.#states.delete(subscription.name);
  }

  #onAnswer(subscription: Subscription): void {
    this.#unsettled -= 1;
    this.#release(subscription);
    this.#options.writer.onAnswer();
  }

  #release(subscription: Subscription): void {
    if (subscription.requester === this) subscription.requester = undefined;
  }

  #isWanted(subscription: Subscription): boolean {
    return this.#options.subscriptions.get(subscription.name) === subscription;
  }

  #isReading({ kind, subscription }: ChannelState): boolean {
    return kind === "subscribed" && subscription.owner === this;
  }

  #checkSettled(): void {
    if (this.isSettled) this.#options.onSettle();
  }
}
