import type { Subscription } from "./subscription.ts";

/** The subscriptions of one connection, by channel. Many connections have one: it needs no map. */
export class Subscriptions {
  #only: Subscription | undefined;
  #several: Map<string, Subscription> | undefined;

  get size(): number {
    return this.#several?.size ?? (this.#only === undefined ? 0 : 1);
  }

  get(channel: string): Subscription | undefined {
    if (this.#several !== undefined) return this.#several.get(channel);
    return this.#only?.channel === channel ? this.#only : undefined;
  }

  /** Adds a subscription to a channel that has none. */
  add(subscription: Subscription): void {
    if (this.#several === undefined && this.#only === undefined) {
      this.#only = subscription;
      return;
    }
    this.#several ??= new Map(this.#only === undefined ? [] : [[this.#only.channel, this.#only]]);
    this.#several.set(subscription.channel, subscription);
    this.#only = undefined;
  }

  delete(channel: string): void {
    if (this.#only?.channel === channel) this.#only = undefined;
    this.#several?.delete(channel);
    if (this.#several?.size === 0) this.#several = undefined;
  }

  /** Returns all subscriptions, which can then be deleted. */
  all(): readonly Subscription[] {
    if (this.#several !== undefined) return [...this.#several.values()];
    return this.#only === undefined ? [] : [this.#only];
  }

  /** Closes all cursors. Open ones would keep frames in memory until the peer has gone. */
  closeAll(): void {
    for (const subscription of this.all()) subscription.close();
  }

  /** Whether all subscriptions have begun, and nothing is left to read in any of them. */
  get areDelivered(): boolean {
    for (const { cursor } of this.#several?.values() ?? this.all()) {
      if (cursor?.isAtEnd === false) return false;
    }
    return true;
  }
}
