import type { LogEntry } from "../log.ts";
import { Aged } from "./ageQueue.ts";

/** Length of a record before its text: an unsigned integer of 32 bits. */
const HEADER_BYTES = Uint32Array.BYTES_PER_ELEMENT;

/** Memory of a block besides the bytes of its entries, as measured: the objects of the block and of its buffer. */
const BLOCK_OVERHEAD_BYTES = 352;

/** Maximum share of a complete block that can be unused. */
const MAX_UNUSED_SHARE = 1 / 8;

/** The channel of a block. */
export interface BlockOwner {
  /** Removes a block that is evicted. It is the oldest block of the channel. */
  dropBlock(block: Block): void;
}

export interface BlockOptions {
  readonly owner: BlockOwner;
  /** Offset of the first entry. */
  readonly first: number;
  /** Minimum size. The block has space for a record in any case. */
  readonly minBytes: number;
  /** Bytes of the first record in UTF-8. */
  readonly recordBytes: number;
  /** Time in milliseconds. */
  readonly since: number;
}

/**
 * Consecutive entries of a channel as bytes. The garbage collector copies long-lived strings, and needs several times their
 * size for it.
 */
export class Block extends Aged {
  readonly first: number;
  readonly since: number;
  /** The next block of the channel. */
  next: Block | undefined;
  /** Number of entries. */
  count = 0;
  /** They never change up to {@link #used}. */
  #bytes: Buffer;
  #used = 0;
  readonly #owner: BlockOwner;

  constructor({ owner, first, minBytes, recordBytes, since }: BlockOptions) {
    super();
    this.first = first;
    this.since = since;
    this.#bytes = Buffer.allocUnsafeSlow(Math.max(minBytes, HEADER_BYTES + recordBytes));
    this.#owner = owner;
  }

  /** Offset of the entry after the last one. */
  get end(): number {
    return this.first + this.count;
  }

  /** Bytes of all records in UTF-8. */
  get recordBytes(): number {
    return this.#used - this.count * HEADER_BYTES;
  }

  get usedBytes(): number {
    return this.#used;
  }

  get memoryBytes(): number {
    return BLOCK_OVERHEAD_BYTES + this.#bytes.length;
  }

  hasSpaceFor(recordBytes: number): boolean {
    return this.#used + HEADER_BYTES + recordBytes <= this.#bytes.length;
  }

  /** @param recordBytes bytes of the record in UTF-8, for which there is space. */
  push(record: string, recordBytes: number): void {
    const start = this.#bytes.writeUInt32LE(recordBytes, this.#used);
    this.#bytes.write(record, start);
    this.#used = start + recordBytes;
    this.count += 1;
  }

  /**
   * Adds the entries from an offset on to a list, at most so many bytes of records, but the first entry of the list always.
   * @returns the bytes that are left; none if the next entry did not fit.
   */
  readInto(entries: LogEntry[], from: number, maxBytes: number): number {
    let left = maxBytes;
    for (let at = 0, offset = this.first; at < this.#used; offset++) {
      const start = at + HEADER_BYTES;
      at = start + this.#bytes.readUInt32LE(at);
      if (offset < from) continue;
      if (entries.length > 0 && at - start > left) return 0;
      left -= at - start;
      entries.push({ offset, record: this.#bytes.toString("utf8", start, at) });
    }
    return left;
  }

  /** Moves a complete block into less memory if much of its memory is unused. */
  releaseUnused(): void {
    const { length } = this.#bytes;
    if (length - this.#used <= length * MAX_UNUSED_SHARE) return;
    const used = Buffer.allocUnsafeSlow(this.#used);
    this.#bytes.copy(used, 0, 0, this.#used);
    this.#bytes = used;
  }

  override evict(): void {
    this.#owner.dropBlock(this);
  }
}
