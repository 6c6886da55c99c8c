import { type Aged, AgeQueue } from "./ageQueue.ts";

/**
 * The memory of all channels. Beyond its limit, and after their time of retention, the blocks of entries and the channels without a
 * reader are evicted, the oldest ones first.
 */
export class MemoryBudget {
  readonly #maxBytes: number;
  #bytes = 0;
  /** By time of retention. A configuration has few different ones. */
  readonly #queues = new Map<number, AgeQueue>();

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** @param bytes negative if memory is released. */
  charge(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Returns the queue for what is retained for so many milliseconds. */
  queueOf(retainedMs: number): AgeQueue {
    let queue = this.#queues.get(retainedMs);
    if (queue === undefined) {
      queue = new AgeQueue();
      this.#queues.set(retainedMs, queue);
    }
    return queue;
  }

  /** Evicts what was not used during its time of retention. */
  evictExpired(nowMs: number): void {
    for (const [retainedMs, queue] of this.#queues) {
      for (
        let item = queue.oldest;
        item !== undefined && item.usedAt < nowMs - retainedMs;
        item = queue.oldest
      ) {
        item.evict();
      }
    }
  }

  /** Evicts the oldest items beyond the limit, but neither of the kept ones. */
  evictExcess(kept: Aged, alsoKept: Aged | undefined): void {
    while (this.#bytes > this.#maxBytes) {
      let oldest: Aged | undefined;
      for (const queue of this.#queues.values()) {
        let item = queue.oldest;
        while (item !== undefined && (item === kept || item === alsoKept)) item = item.newer;
        if (item !== undefined && (oldest === undefined || item.usedAt < oldest.usedAt)) oldest = item;
      }
      if (oldest === undefined) return;
      oldest.evict();
    }
  }
}
