import { randomInt } from "node:crypto";

/** Initial number of ids. The memory grows with the number of ids. */
const MIN_CAPACITY = 4;

/** Lengths of the names and digests of `publishId.ts`. */
const NAME_BYTES = 16;
const DIGEST_BYTES = 12;

const NUMBER_BYTES = Float64Array.BYTES_PER_ELEMENT;

/** Places of the numbers in a record, after its name and its digest. */
const OFFSET_AT = NAME_BYTES + DIGEST_BYTES;
/** The number of the next older record whose name has the same hash, plus 1. */
const OLDER_AT = OFFSET_AT + NUMBER_BYTES;
/** For the names whose hash is the place of this record: the number of the newest record, plus 1. */
const NEWEST_AT = OLDER_AT + NUMBER_BYTES;
const RECORD_BYTES = NEWEST_AT + NUMBER_BYTES;

/** Memory of an object besides its records, in bytes, as measured. */
const OVERHEAD_BYTES = 320;

/** The memory shrinks if at most this share of it is used. */
const MIN_USED_SHARE = 1 / 2;

/** Capacity after it shrinks, as a multiple of the number of ids. */
const SPARE_FACTOR = 1.5;

const NO_RECORDS = Buffer.alloc(0);
const NO_NUMBERS = new DataView(NO_RECORDS.buffer, 0, 0);

/** The prime of FNV-1a, and a seed that clients cannot guess. */
const HASH_FACTOR = 0x0100_0193;
const HASH_SEED = randomInt(2 ** 32);

/** The entry that was appended with an id. */
interface KnownId {
  readonly offset: number;
  /** Digest of its source. The entry itself may be dropped before its id. */
  readonly digest: string;
}

/**
 * The newest ids of a channel, bounded by number, in a ring of records. Records whose names have the same hash form a list from
 * the newest to the oldest. A list ends at the first record that has left the ring. Records are never unlinked.
 */
export class RecentIds {
  readonly #maxIds: number;
  #capacity = 0;
  #records = NO_RECORDS;
  /** The same memory. The methods of a `Buffer` for numbers are slower. */
  #numbers = NO_NUMBERS;
  /** Numbers of the oldest record, and of the next one. */
  #first = 0;
  #next = 0;

  /** @param maxIds number of ids that are kept. */
  constructor(maxIds: number) {
    this.#maxIds = maxIds;
  }

  get memoryBytes(): number {
    return this.#capacity === 0 ? 0 : OVERHEAD_BYTES + this.#capacity * RECORD_BYTES;
  }

  /** Returns the entry of an id. @param name see `idName`. */
  find(name: string): KnownId | undefined {
    if (this.#capacity === 0) return undefined;
    let end = this.#numbers.getFloat64(this.#bucketOf(name) + NEWEST_AT);
    while (end > this.#first) {
      const start = this.#startOf(end - 1);
      if (this.#records.toString("latin1", start, start + NAME_BYTES) === name) {
        return {
          offset: this.#numbers.getFloat64(start + OFFSET_AT),
          digest: this.#records.toString("latin1", start + NAME_BYTES, start + OFFSET_AT),
        };
      }
      end = this.#numbers.getFloat64(start + OLDER_AT);
    }
    return undefined;
  }

  /** Adds an id. Its offset is larger than those before. */
  add(name: string, { offset, digest }: KnownId): void {
    if (this.#next - this.#first === this.#capacity) {
      if (this.#capacity < this.#maxIds) this.#resize(Math.max(2 * this.#capacity, MIN_CAPACITY));
      else this.#first += 1;
    }
    const start = this.#startOf(this.#next);
    this.#records.write(name + digest, start, "latin1");
    this.#numbers.setFloat64(start + OFFSET_AT, offset);
    this.#link(this.#next, name);
    this.#next += 1;
  }

  /** Drops the ids of the entries before an offset, and releases their memory. */
  evictBefore(offset: number): void {
    while (
      this.#first < this.#next &&
      this.#numbers.getFloat64(this.#startOf(this.#first) + OFFSET_AT) < offset
    ) {
      this.#first += 1;
    }
    const count = this.#next - this.#first;
    if (count === 0) this.#resize(0);
    else if (this.#capacity > MIN_CAPACITY && count <= this.#capacity * MIN_USED_SHARE)
      this.#resize(Math.max(Math.ceil(count * SPARE_FACTOR), MIN_CAPACITY));
  }

  #resize(wanted: number): void {
    const before = this.#records;
    const capacityBefore = this.#capacity;
    this.#capacity = Math.min(wanted, this.#maxIds);
    this.#records = this.#capacity === 0 ? NO_RECORDS : Buffer.alloc(this.#capacity * RECORD_BYTES);
    const { buffer, byteOffset, byteLength } = this.#records;
    this.#numbers = new DataView(buffer, byteOffset, byteLength);
    for (let number = this.#first; number < this.#next; number++) {
      const from = (number % capacityBefore) * RECORD_BYTES;
      before.copy(this.#records, this.#startOf(number), from, from + OLDER_AT);
      this.#link(number, before.toString("latin1", from, from + NAME_BYTES));
    }
  }

  #link(number: number, name: string): void {
    const bucket = this.#bucketOf(name);
    const newest = this.#numbers.getFloat64(bucket + NEWEST_AT);
    this.#numbers.setFloat64(this.#startOf(number) + OLDER_AT, newest);
    this.#numbers.setFloat64(bucket + NEWEST_AT, number + 1);
  }

  /** Start of a record in bytes. */
  #startOf(number: number): number {
    return (number % this.#capacity) * RECORD_BYTES;
  }

  /**
   * Start of the record that has the list of a name. The hash depends on the whole name and on the seed, so that a client cannot
   * choose ids that share a list.
   */
  #bucketOf(name: string): number {
    let hash = HASH_SEED;
    for (let n = 0; n < NAME_BYTES; n++) hash = Math.imul(hash ^ name.charCodeAt(n), HASH_FACTOR);
    return (((hash ^ (hash >>> 16)) >>> 0) % this.#capacity) * RECORD_BYTES;
  }
}
