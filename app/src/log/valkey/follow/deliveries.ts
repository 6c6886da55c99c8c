import type { MeasuredEntry } from "../publishedMessage.ts";
import type { FollowedChannel } from "./followedChannel.ts";

/**
 * Maximum delivery per turn of the event loop, as a share of what the log retains. A reader keeps that much for its slow
 * clients. With larger deliveries it would drop the first entries before any client can read them.
 */
const DELIVERY_SHARE = 0.25;

/** Approximate bytes that a reader adds to each record when it passes the entry on. */
const ENTRY_OVERHEAD_BYTES = 48;

/** Returns the maximum bytes that a channel delivers in one turn. */
export function maxDeliveryBytes({ channel }: FollowedChannel): number {
  return channel.retention.retainedBytes * DELIVERY_SHARE;
}

interface PendingDelivery {
  readonly entries: MeasuredEntry[];
  /** Bytes of the records. */
  bytes: number;
}

/** Collects the entries of a turn of the event loop, and delivers them at its end. */
export class Deliveries {
  readonly #onDelivered: (followed: FollowedChannel) => void;
  readonly #pending = new Map<FollowedChannel, PendingDelivery>();
  #immediate: NodeJS.Immediate | undefined;

  /** @param onDelivered called after each delivery. */
  constructor(onDelivered: (followed: FollowedChannel) => void) {
    this.#onDelivered = onDelivered;
  }

  has(followed: FollowedChannel): boolean {
    return this.#pending.has(followed);
  }

  /** Takes the first entries that fit into the current turn, and moves the position behind them. @returns their number. */
  offer(followed: FollowedChannel, entries: readonly MeasuredEntry[], from = 0): number {
    const maxBytes = maxDeliveryBytes(followed);
    let pending = this.#pending.get(followed);
    let passedBytes =
      pending === undefined ? 0 : pending.bytes + pending.entries.length * ENTRY_OVERHEAD_BYTES;
    let count = 0;
    for (let index = from; index < entries.length; index++) {
      const entry = entries[index];
      if (entry === undefined) break;
      passedBytes += entry.bytes + ENTRY_OVERHEAD_BYTES;
      // A single entry can be larger.
      if (passedBytes > maxBytes && pending !== undefined) break;
      if (pending === undefined) {
        pending = { entries: [], bytes: 0 };
        this.#pending.set(followed, pending);
      }
      pending.entries.push(entry);
      pending.bytes += entry.bytes;
      count += 1;
    }
    if (count > 0) {
      followed.advance(count);
      this.#immediate ??= setImmediate(this.#deliverAll);
    }
    return count;
  }

  /** Delivers what a channel has collected, before its position changes. */
  deliver(followed: FollowedChannel): void {
    const pending = this.#pending.get(followed);
    if (pending === undefined) return;
    this.#pending.delete(followed);
    followed.deliver(pending.entries, pending.bytes);
    this.#onDelivered(followed);
  }

  /** Drops what was not delivered. */
  close(): void {
    clearImmediate(this.#immediate);
    this.#pending.clear();
  }

  readonly #deliverAll = (): void => {
    this.#immediate = undefined;
    for (const followed of [...this.#pending.keys()]) this.deliver(followed);
  };
}
