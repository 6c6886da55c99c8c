import type { Subscription } from "./subscription.ts";

/** A linked list, because it is empty most of the time. A subscription is in one list at most. */
export class SubscriptionQueue {
  #first: Subscription | undefined;
  #last: Subscription | undefined;

  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  get last(): Subscription | undefined {
    return this.#last;
  }

  /** Appends a subscription, unless it is in a list. */
  add(subscription: Subscription): void {
    if (subscription.isListed) return;
    subscription.isListed = true;
    if (this.#last === undefined) this.#first = subscription;
    else this.#last.next = subscription;
    this.#last = subscription;
  }

  /** Removes the first subscription. */
  take(): Subscription | undefined {
    const first = this.#first;
    if (first === undefined) return undefined;
    this.#first = first.next;
    if (this.#first === undefined) this.#last = undefined;
    first.next = undefined;
    first.isListed = false;
    return first;
  }
}
