/** Something that is evicted when it was not used for some time. It is in one {@link AgeQueue} at most. */
export abstract class Aged {
  /** Time of the last use, in milliseconds. Only the queue changes these fields. */
  usedAt = 0;
  older: Aged | undefined;
  newer: Aged | undefined;

  /** Removes this from its queue, and releases its memory. */
  abstract evict(): void;
}

/** A list in the order of the last use, which costs neither a timer nor a search. */
export class AgeQueue {
  /** Time after which an item that was not used expires, in milliseconds. */
  readonly retainedMs: number;
  #oldest: Aged | undefined;
  #newest: Aged | undefined;

  constructor(retainedMs: number) {
    this.retainedMs = retainedMs;
  }

  /** The one whose last use is the longest ago. */
  get oldest(): Aged | undefined {
    return this.#oldest;
  }

  /** Adds an item, or moves it to the newest end. @param at time in milliseconds, which never decreases. */
  use(item: Aged, at: number): void {
    item.usedAt = at;
    const newest = this.#newest;
    if (newest === item) return;
    this.remove(item);
    item.older = newest;
    if (newest === undefined) this.#oldest = item;
    else newest.newer = item;
    this.#newest = item;
  }

  /** Idempotent. */
  remove(item: Aged): void {
    const { older, newer } = item;
    if (older !== undefined) older.newer = newer;
    else if (this.#oldest === item) this.#oldest = newer;
    if (newer !== undefined) newer.older = older;
    else if (this.#newest === item) this.#newest = older;
    item.older = undefined;
    item.newer = undefined;
  }
}
