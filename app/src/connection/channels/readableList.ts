import type { Counts } from "../../metrics/metrics.ts";
import type { Subscription } from "./subscription.ts";

/** A write has no further slice beyond this length. */
const MAX_WRITE_BYTES = 64 * 1024;

/** The subscriptions of a connection that can be read, in rotation. A linked list, because it is empty most of the time. */
export class ReadableList {
  #first: Subscription | undefined;
  #last: Subscription | undefined;

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

  /**
   * Returns what one write has: frames of answers, and one slice of each subscription, in rotation. A slice alone is returned as
   * it is, because connections at the same position share it.
   */
  collect(
    answers: Buffer | undefined,
    counts: Pick<Counts, "deliveries" | "deliveredBytes">,
  ): Buffer | undefined {
    const last = this.#last;
    let first = answers;
    let all: Buffer[] | undefined;
    let bytes = answers?.length ?? 0;
    while (bytes < MAX_WRITE_BYTES) {
      const subscription = this.#take();
      if (subscription === undefined) break;
      // A subscription that has ended has no cursor.
      const { cursor } = subscription;
      const slice = cursor?.read();
      if (cursor !== undefined && slice !== undefined) {
        counts.deliveries += slice.frames;
        counts.deliveredBytes += slice.bytes.length;
        bytes += slice.bytes.length;
        if (first === undefined) first = slice.bytes;
        else (all ??= [first]).push(slice.bytes);
        if (!cursor.isAtEnd) this.add(subscription);
      }
      // Those that were added meanwhile are read for the next write.
      if (subscription === last) break;
    }
    return all === undefined ? first : Buffer.concat(all, bytes);
  }

  #take(): Subscription | undefined {
    const first = this.#first;
    if (first === undefined) return undefined;
    this.#first = first.next;
    if (this.#first === undefined) this.#last = undefined;
    first.next = undefined;
    first.isListed = false;
    return first;
  }
}
