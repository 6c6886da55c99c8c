import { TokenBucket } from "../auth/tokenBucket.ts";
import { byteBurst } from "../settings/relations.ts";
import type { Settings } from "../settings/settings.ts";

export type RateSettings = Pick<
  Settings,
  "messagesPerSecond" | "messageBurst" | "bytesPerSecond" | "maxPayloadBytes" | "subscriptionsPerConnection"
>;

/**
 * A client may subscribe and unsubscribe as often as a connection may have subscriptions, and at least so often, within this
 * time: after a reconnect, it subscribes to all its channels at once.
 */
const SUBSCRIBE_PERIOD_SECONDS = 30;
const MIN_SUBSCRIBES_PER_PERIOD = 100;

/** The rates of one connection: messages and bytes per second, each with a burst. */
export class ClientRates {
  readonly #settings: RateSettings;
  readonly #messages: TokenBucket;
  readonly #bytes: TokenBucket;
  /** `undefined` until the client subscribes. */
  #subscribes: TokenBucket | undefined;

  /** @param now on the clock of `performance.now()`. */
  constructor(settings: RateSettings, now: number) {
    this.#settings = settings;
    this.#messages = new TokenBucket(settings.messagesPerSecond, settings.messageBurst, now);
    this.#bytes = new TokenBucket(settings.bytesPerSecond, byteBurst(settings), now);
  }

  /** Charges a frame. Returns the limit that it exceeds, as the reason of a Close frame. */
  take(messages: number, bytes: number, now: number): string | undefined {
    const { messagesPerSecond, messageBurst, bytesPerSecond } = this.#settings;
    if (!this.#messages.take(messages, now)) {
      return `more than ${messagesPerSecond} messages per second, or ${messageBurst} at once`;
    }
    return this.#bytes.take(bytes, now) ? undefined : `more than ${bytesPerSecond} bytes per second`;
  }

  /** Charges a subscribe or an unsubscribe. Returns false, and charges nothing, if the client sends too many. */
  takeSubscription(now: number): boolean {
    const burst = Math.max(this.#settings.subscriptionsPerConnection, MIN_SUBSCRIBES_PER_PERIOD);
    this.#subscribes ??= new TokenBucket(burst / SUBSCRIBE_PERIOD_SECONDS, burst, now);
    return this.#subscribes.take(1, now);
  }

  /** Credits the time for which the server did not read: all that the client has sent meanwhile arrives at once. */
  creditPause(now: number): void {
    this.#messages.fill(now);
    this.#bytes.fill(now);
  }
}
