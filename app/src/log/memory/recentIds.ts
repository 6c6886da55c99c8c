import { randomInt } from "node:crypto";

/** Initial number of ids. The arrays grow with the number of ids. */
const FIRST_CAPACITY = 16;

/** Lengths of the names and digests of `publishId.ts`. */
const NAME_BYTES = 16;
const DIGEST_BYTES = 12;
const RECORD_BYTES = NAME_BYTES + DIGEST_BYTES;

/** Memory of an id in all arrays, in bytes. */
export const ID_BYTES = RECORD_BYTES + 4 * Float64Array.BYTES_PER_ELEMENT;

/** The prime of FNV-1a, and a seed that clients cannot guess. */
const HASH_FACTOR = 0x0100_0193;
const HASH_SEED = randomInt(2 ** 32);

/** The entry that was appended with an id. */
interface KnownId {
  readonly offset: number;
  /** Digest of its payload. */
  readonly digest: string;
}

/**
 * The newest ids of a channel, bounded by number and age, in a ring of records. Records whose names have the same hash form a
 * list from the newest to the oldest. A list ends at the first record that has left the ring. Records are never unlinked.
 */
export class RecentIds {
  readonly #maxIds: number;
  #capacity = 0;
  #records = Buffer.alloc(0);
  #offsets = new Float64Array();
  /** Time of each record, in milliseconds. */
  #times = new Float64Array();
  /** By the hash of a name: the number of its newest record, plus 1. */
  #newest = new Float64Array();
  /** By record: the number of the next older record with the same hash, plus 1. */
  #older = new Float64Array();
  /** Numbers of the oldest record, and of the next one. */
  #first = 0;
  #next = 0;

  /** @param maxIds number of ids that are kept unless they are too old. */
  constructor(maxIds: number) {
    this.#maxIds = maxIds;
  }

  get memoryBytes(): number {
    return this.#capacity * ID_BYTES;
  }

  /** Returns the entry of an id. @param name see `idName`. */
  find(name: string): KnownId | undefined {
    if (this.#capacity === 0) return undefined;
    let end = this.#newest[this.#bucketOf(name)] ?? 0;
    while (end > this.#first) {
      const slot = (end - 1) % this.#capacity;
      const start = slot * RECORD_BYTES;
      if (this.#records.toString("latin1", start, start + NAME_BYTES) === name) {
        return {
          offset: this.#offsets[slot] ?? 0,
          digest: this.#records.toString("latin1", start + NAME_BYTES, start + RECORD_BYTES),
        };
      }
      end = this.#older[slot] ?? 0;
    }
    return undefined;
  }

  /** Adds an id. @param at time in milliseconds, which never decreases. */
  add(name: string, { offset, digest }: KnownId, at: number): void {
    if (this.#next - this.#first === this.#capacity) {
      if (this.#capacity < this.#maxIds) this.#grow();
      else this.#first += 1;
    }
    const slot = this.#next % this.#capacity;
    this.#records.write(name + digest, slot * RECORD_BYTES, "latin1");
    this.#offsets[slot] = offset;
    this.#times[slot] = at;
    this.#link(this.#next, name);
    this.#next += 1;
  }

  /** Drops ids that were added before a time. */
  evictBefore(horizon: number): void {
    while (this.#first < this.#next && (this.#times[this.#first % this.#capacity] ?? 0) < horizon) {
      this.#first += 1;
    }
    if (this.#first === this.#next) this.#allocate(0);
  }

  #grow(): void {
    const [capacity, records, offsets, times] = [this.#capacity, this.#records, this.#offsets, this.#times];
    this.#allocate(Math.min(Math.max(2 * capacity, FIRST_CAPACITY), this.#maxIds));
    for (let number = this.#first; number < this.#next; number++) {
      const [from, to] = [number % capacity, number % this.#capacity];
      const start = from * RECORD_BYTES;
      records.copy(this.#records, to * RECORD_BYTES, start, start + RECORD_BYTES);
      this.#offsets[to] = offsets[from] ?? 0;
      this.#times[to] = times[from] ?? 0;
      this.#link(number, records.toString("latin1", start, start + NAME_BYTES));
    }
  }

  #allocate(capacity: number): void {
    this.#capacity = capacity;
    this.#records = Buffer.allocUnsafeSlow(capacity * RECORD_BYTES);
    this.#offsets = new Float64Array(capacity);
    this.#times = new Float64Array(capacity);
    this.#newest = new Float64Array(capacity);
    this.#older = new Float64Array(capacity);
  }

  #link(number: number, name: string): void {
    const bucket = this.#bucketOf(name);
    this.#older[number % this.#capacity] = this.#newest[bucket] ?? 0;
    this.#newest[bucket] = number + 1;
  }

  /** The hash depends on the whole name and on the seed, so that a client cannot choose ids that share a list. */
  #bucketOf(name: string): number {
    let hash = HASH_SEED;
    for (let n = 0; n < NAME_BYTES; n++) hash = Math.imul(hash ^ name.charCodeAt(n), HASH_FACTOR);
    return ((hash ^ (hash >>> 16)) >>> 0) % this.#capacity;
  }
}
