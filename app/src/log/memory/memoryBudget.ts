import { type Aged, AgeQueue } from "./ageQueue.ts";

/**
 * The memory of all channels. Beyond its limit, and after their time of retention, the blocks of entries and the channels without a
 * reader are evicted, the oldest ones first.
 */
export class MemoryBudget {
  readonly #maxBytes: number;
  #bytes = 0;
  /** One for each time of retention. A configuration has few different ones. */
  readonly #queues: AgeQueue[] = [];

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** @param bytes negative if memory is released. */
  charge(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Returns the queue for what is retained for so many milliseconds. */
  queueOf(retainedMs: number): AgeQueue {
    let queue = this.#queues.find((one) => one.retainedMs === retainedMs);
    if (queue === undefined) {
      queue = new AgeQueue(retainedMs);
      this.#queues.push(queue);
    }
    return queue;
  }

  /** Evicts what was not used during its time of retention. */
  evictExpired(nowMs: number): void {
    for (const queue of this.#queues) {
      const before = nowMs - queue.retainedMs;
      for (let item = queue.oldest; item !== undefined && item.usedAt < before; item = queue.oldest) {
        item.evict();
      }
    }
  }

  /** Evicts the oldest items beyond the limit, but neither of the kept ones. */
  evictExcess(kept: Aged, alsoKept: Aged | undefined): void {
    while (this.#bytes > this.#maxBytes) {
      let oldest: Aged | undefined;
      for (const queue of this.#queues) {
        let item = queue.oldest;
        while (item !== undefined && (item === kept || item === alsoKept)) item = item.newer;
        if (item !== undefined && (oldest === undefined || item.usedAt < oldest.usedAt)) oldest = item;
      }
      if (oldest === undefined) return;
      oldest.evict();
    }
  }
}
