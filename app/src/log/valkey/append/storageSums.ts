import { PARTITIONS } from "../connection/partitions.ts";

/** Maximum number of users whose sums a task keeps. The least recently charged ones are dropped first. */
const MAX_USERS = 10_000;

/** Minimum time between two readings of all sums, in milliseconds. */
const READING_MS = 2000;

/**
 * The bytes that channels are charged, by partition, as far as this task has seen them: from the replies to its own requests, and
 * from reading the sums of all partitions from time to time. Requests under way count with what they may be granted.
 */
export class PartitionSums {
  readonly #bytes = new Float64Array(PARTITIONS);
  #total = 0;
  #readAt = -Infinity;
  /** Whether bytes were requested since the last reading. */
  #isUsed = false;

  get total(): number {
    return this.#total;
  }

  /** Returns the sum of all partitions but one. */
  withoutPartition(partition: number): number {
    return Math.max(0, Math.round(this.#total - (this.#bytes[partition] ?? 0)));
  }

  note(partition: number, bytes: number): void {
    this.#total += bytes - (this.#bytes[partition] ?? 0);
    this.#bytes[partition] = bytes;
  }

  /** Counts bytes that a request may be granted, until its reply is noted. */
  reserve(partition: number, bytes: number): void {
    this.#isUsed ||= bytes > 0;
    this.note(partition, (this.#bytes[partition] ?? 0) + bytes);
  }

  /** Whether all sums must be read: bytes were requested since the last reading. The caller then reads them. */
  takeReadingDue(): boolean {
    const now = performance.now();
    if (!this.#isUsed || now < this.#readAt + READING_MS) return false;
    this.#readAt = now;
    this.#isUsed = false;
    return true;
  }
}

/** The sums of all channels and of each user. */
export class StorageSums {
  readonly all = new PartitionSums();
  readonly #users = new Map<string, PartitionSums>();

  /** @param user name of fixed length: see `idName`. */
  ofUser(user: string): PartitionSums {
    const sums = this.#users.get(user) ?? new PartitionSums();
    this.#users.delete(user);
    this.#users.set(user, sums);
    if (this.#users.size > MAX_USERS) {
      for (const oldest of this.#users.keys()) {
        this.#users.delete(oldest);
        break;
      }
    }
    return sums;
  }
}
