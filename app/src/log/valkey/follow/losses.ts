import type { FollowedChannel } from "./followedChannel.ts";

/** Time in which a message must arrive after its entry was stored or found, in milliseconds. */
const MESSAGE_TIMEOUT_MS = 1000;

interface FoundEntries {
  readonly end: number;
  /** In milliseconds of `performance.now()`. */
  readonly at: number;
  isSuspected: boolean;
}

/** Detects messages that do not arrive. */
export class Losses {
  /** Channels to which this task has appended, since the last check and before it. */
  #appended = new Set<FollowedChannel>();
  #appendedBefore = new Set<FollowedChannel>();
  #checkedAt = 0;
  /** Channels of which entries were found by reading, with the offset after them and the time. */
  readonly #found = new Map<FollowedChannel, FoundEntries>();

  /** Notes that this task has appended an entry, whose message must arrive. */
  noteAppended(followed: FollowedChannel): void {
    if (followed.next <= followed.channel.offset) this.#appended.add(followed);
  }

  /** Notes that entries before `end` were found without a message. */
  noteFound(followed: FollowedChannel, end: number): void {
    if (!this.#found.has(followed))
      this.#found.set(followed, { end, at: performance.now(), isSuspected: false });
  }

  /** Notes that a message has brought entries before `end`. */
  noteMessage(followed: FollowedChannel, end: number): void {
    if (this.#found.size === 0) return;
    const found = this.#found.get(followed);
    if (found !== undefined && end >= found.end) this.#found.delete(followed);
  }

  /** @returns channels that lack an entry that this task has appended a second ago. */
  takeOverdue(): readonly FollowedChannel[] {
    const now = performance.now();
    if (now < this.#checkedAt + MESSAGE_TIMEOUT_MS) return [];
    this.#checkedAt = now;
    const overdue = [...this.#appendedBefore].filter(
      ({ isPlaced, next, channel }) => isPlaced && next <= channel.offset,
    );
    [this.#appendedBefore, this.#appended] = [this.#appended, new Set()];
    return overdue;
  }

  /** @returns the channels that wait for a message for more than a second; each one once. */
  takeSuspects(): readonly FollowedChannel[] {
    const suspects: FollowedChannel[] = [];
    const horizon = performance.now() - MESSAGE_TIMEOUT_MS;
    for (const [followed, found] of this.#found) {
      if (found.at > horizon) break;
      if (found.isSuspected) continue;
      found.isSuspected = true;
      suspects.push(followed);
    }
    return suspects;
  }

  /** @returns the partitions of the suspects whose message still has not arrived. */
  takeLost(suspects: readonly FollowedChannel[]): ReadonlySet<number> {
    const partitions = new Set<number>();
    for (const followed of suspects) {
      if (this.#found.delete(followed)) partitions.add(followed.channel.partition);
    }
    return partitions;
  }
}
