import type { Subscription } from "./subscription.ts";

/** The subscriptions of a connection that can be read, in rotation. A linked list, because it is empty most of the time. */
export class ReadableList {
  #first: Subscription | undefined;
  #last: Subscription | undefined;

  /** The subscription that was added last. */
  get last(): Subscription | undefined {
    return this.#last;
  }

  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  /** Appends a subscription, unless it is in the list. */
  add(subscription: Subscription): void {
    if (subscription.isListed) return;
    subscription.isListed = true;
    if (this.#last === undefined) this.#first = subscription;
    else this.#last.next = subscription;
    this.#last = subscription;
  }

  /** Removes the first subscription. It may have ended since it was added. */
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
