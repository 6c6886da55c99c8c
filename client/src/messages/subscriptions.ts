import type { ClientError } from "../api/error.ts";
import type { ChannelOptions } from "../api/options.ts";
import type { Subscriber } from "./subscriber.ts";
import { Subscription } from "./subscription.ts";
import type { SubscriptionReader } from "./subscription.ts";

/** The channels that the application reads, and the subscribers that keep the server informed of them. */
export class Subscriptions {
  readonly #byName = new Map<string, Subscription>();
  readonly #subscribers = new Set<Subscriber>();

  get(name: string): Subscription | undefined {
    return this.#byName.get(name);
  }

  names(): IterableIterator<string> {
    return this.#byName.keys();
  }

  join(name: string, { last, after }: ChannelOptions<never>, reader: SubscriptionReader): Subscription {
    let subscription = this.#byName.get(name);
    if (subscription === undefined) {
      subscription = new Subscription(name, last, after);
      this.#byName.set(name, subscription);
    }
    const { position, owner } = subscription;
    subscription.readers.add(reader);
    if (position !== undefined && owner !== undefined) {
      // After the caller has received the channel.
      queueMicrotask(() => {
        if (!reader.hasEnded) reader.reportSubscribed(position);
      });
    }
    this.update(name);
    return subscription;
  }

  leave(subscription: Subscription, reader: SubscriptionReader): void {
    const { name, readers } = subscription;
    if (reader.hasEnded) return;
    reader.end();
    readers.delete(reader);
    if (readers.size > 0) return;
    this.#byName.delete(name);
    this.update(name);
  }

  end(subscription: Subscription, error: ClientError | undefined): void {
    this.#byName.delete(subscription.name);
    for (const reader of subscription.readers) reader.end(error);
    this.update(subscription.name);
  }

  endAll(error: ClientError | undefined): void {
    for (const subscription of [...this.#byName.values()]) this.end(subscription, error);
  }

  /** Lets each subscriber send what it has to send for a channel. */
  update(name: string): void {
    for (const subscriber of this.#subscribers) subscriber.update(name);
  }

  add(subscriber: Subscriber): void {
    this.#subscribers.add(subscriber);
  }

  remove(subscriber: Subscriber): void {
    this.#subscribers.delete(subscriber);
  }
}
