import type { Slice } from "../../channel/slices.ts";
import type { Counts } from "../../metrics/metrics.ts";
import type { Subscription } from "./subscription.ts";
import { SubscriptionQueue } from "./subscriptionQueue.ts";

/** A write has no further slice beyond this length. */
const MAX_WRITE_BYTES = 64 * 1024;

/**
 * Maximum number of subscriptions of one connection that wait for a page of the log, or have one that is not read. A write has
 * about one page. Further pages would be evicted before they are read, and be read from the log again. Pages that the log cannot
 * return do not count, because the other subscriptions would wait with them.
 */
const MAX_PAGING = 4;

/** The subscriptions of a connection that can be read, in rotation. */
export class ReadableList {
  readonly #readable = new SubscriptionQueue();
  /** Those that need a page after others. `undefined` until there is one. */
  #deferred: SubscriptionQueue | undefined;
  #paging = 0;

  /** Whether nothing can be read now. */
  get isEmpty(): boolean {
    return this.#readable.isEmpty;
  }

  /** Appends a subscription, unless it is in the list. */
  add(subscription: Subscription): void {
    this.#readable.add(subscription);
  }

  /** Notes that a subscription has ended. */
  end(subscription: Subscription): void {
    this.#setPaging(subscription, false);
    this.#addDeferred();
  }

  /**
   * Returns what one write has: frames of answers, and one slice of each subscription, in rotation. A slice alone is returned as
   * it is, because connections at the same position share it.
   */
  collect(
    answers: Buffer | undefined,
    counts: Pick<Counts, "deliveries" | "deliveredBytes">,
  ): Buffer | undefined {
    const { last } = this.#readable;
    let first = answers;
    let all: Buffer[] | undefined;
    let bytes = answers?.length ?? 0;
    while (bytes < MAX_WRITE_BYTES) {
      const subscription = this.#readable.take();
      if (subscription === undefined) break;
      const slice = this.#read(subscription);
      if (slice !== undefined) {
        counts.deliveries += slice.frames;
        counts.deliveredBytes += slice.bytes.length;
        bytes += slice.bytes.length;
        if (first === undefined) first = slice.bytes;
        else (all ??= [first]).push(slice.bytes);
      }
      // Those that were added meanwhile are read for the next write.
      if (subscription === last) break;
    }
    return all === undefined ? first : Buffer.concat(all, bytes);
  }

  #read(subscription: Subscription): Slice | undefined {
    const { cursor } = subscription;
    if (this.#paging >= MAX_PAGING && !subscription.isPaging && cursor?.needsPage === true) {
      this.#deferred ??= new SubscriptionQueue();
      this.#deferred.add(subscription);
      return undefined;
    }
    // A subscription that has ended has no cursor.
    const slice = cursor?.read();
    this.#setPaging(subscription, slice === undefined && cursor?.needsPage === true);
    if (slice !== undefined && cursor?.isAtEnd === false) this.add(subscription);
    this.#addDeferred();
    return slice;
  }

  #setPaging(subscription: Subscription, isPaging: boolean): void {
    if (subscription.isPaging === isPaging) return;
    subscription.isPaging = isPaging;
    this.#paging += isPaging ? 1 : -1;
  }

  /** Lets a deferred subscription be read. If it needs no page any more, the next one follows when it has been read. */
  #addDeferred(): void {
    if (this.#deferred === undefined || this.#paging >= MAX_PAGING) return;
    const next = this.#deferred.take();
    if (next === undefined) this.#deferred = undefined;
    else this.add(next);
  }
}
