import { randomFillSync } from "node:crypto";

import type { Appended, LogEntry, LogPage, LogPosition, LogReader, Retention, NewMessage } from "../log.ts";
import { idName, recordDigest } from "../publishId.ts";
import { Aged, type AgeQueue } from "./ageQueue.ts";
import { Block, type BlockOwner } from "./block.ts";
import type { MemoryBudget } from "./memoryBudget.ts";
import { RecentIds } from "./recentIds.ts";

const FIRST_OFFSET = 1;

const EPOCH_BYTES = 12;

/** Random bytes for the next epochs, and the number of those that are used. Their buffers would cost more than the epochs. */
const random = Buffer.allocUnsafeSlow(128 * EPOCH_BYTES);
let usedRandom = random.length;

/** Most channels of a task have one reader. */
const NO_READERS: readonly LogReader[] = [];

/** Size of the first block. A later block is twice as large as the last one was full, so that a quiet channel needs little memory. */
const FIRST_BLOCK_BYTES = 256;
const MAX_BLOCK_BYTES = 64 * 1024;
/** The ids of this number of entries take about as much memory as the largest block. */
const MAX_BLOCK_ENTRIES = 1024;

/** Minimum number of blocks in a full log. Entries are evicted by whole blocks. */
const MIN_BLOCKS = 8;

/** Memory of a channel without a reader, besides its entries and ids, as measured. Other channels are limited by their readers. */
const CHANNEL_BYTES = 320;

export interface MemoryChannelOptions {
  readonly name: string;
  readonly retention: Retention;
  readonly budget: MemoryBudget;
  /** Called when a channel without a reader is evicted. */
  readonly onEvicted: (name: string) => void;
}

/** The entries, ids and readers of one channel. Times are in milliseconds of a monotonic clock. */
export class MemoryChannel extends Aged implements BlockOwner {
  readonly #name: string;
  readonly #epoch = createEpoch();
  readonly #retention: Retention;
  readonly #budget: MemoryBudget;
  readonly #queue: AgeQueue;
  readonly #onEvicted: (name: string) => void;
  #oldest: Block | undefined;
  #newest: Block | undefined;
  /** Offset of the next entry. */
  #end = FIRST_OFFSET;
  /** Bytes of all records in UTF-8. */
  #recordBytes = 0;
  #ids: RecentIds | undefined;
  #reader: LogReader | undefined;
  /** The readers besides the first one. Copied on change, so that `append` can iterate over it. */
  #others: readonly LogReader[] = NO_READERS;

  constructor({ name, retention, budget, onEvicted }: MemoryChannelOptions) {
    super();
    this.#name = name;
    this.#retention = retention;
    this.#budget = budget;
    this.#queue = budget.queueOf(retention.retainedSeconds * 1000);
    this.#onEvicted = onEvicted;
    budget.charge(CHANNEL_BYTES);
  }

  /** Appends a message once per id and publisher. @returns `undefined` if another message has this id. */
  appendOnce({ record, publisher, source }: NewMessage, id: string, at: number): Appended | undefined {
    const name = idName(id, publisher);
    const digest = recordDigest(source ?? record);
    this.#ids ??= new RecentIds(this.#retention.retainedMessages);
    const known = this.#ids.find(name);
    if (known === undefined) {
      const offset = this.#push(record, at);
      const { memoryBytes } = this.#ids;
      this.#ids.add(name, { offset, digest });
      this.#budget.charge(this.#ids.memoryBytes - memoryBytes);
      return this.#deliver(offset, record, at);
    }
    this.use(at);
    if (known.digest !== digest) return undefined;
    return { epoch: this.#epoch, offset: known.offset, duplicate: true };
  }

  append(record: string, at: number): Appended {
    return this.#deliver(this.#push(record, at), record, at);
  }

  end(): LogPosition {
    return { epoch: this.#epoch, next: this.#end };
  }

  /** See `MessageLog.read`. */
  read({ epoch, next }: LogPosition, maxBytes: number): LogPage {
    const first = this.#oldest?.first ?? this.#end;
    const from = epoch === this.#epoch ? Math.min(Math.max(next, first), this.#end) : first;
    const entries: LogEntry[] = [];
    let left = maxBytes;
    for (let block = this.#oldest; block !== undefined; block = block.next) {
      if (block.end <= from) continue;
      left = block.readInto(entries, from, left);
      if (left <= 0) break;
    }
    return { from: { epoch: this.#epoch, next: from }, entries };
  }

  addReader(reader: LogReader): void {
    reader.started(this.end());
    if (this.#reader !== undefined) {
      this.#others = [...this.#others, reader];
      return;
    }
    this.#reader = reader;
    this.#queue.remove(this);
    this.#budget.charge(-CHANNEL_BYTES);
  }

  /** Idempotent. */
  removeReader(reader: LogReader, at: number): void {
    if (this.#reader !== reader) {
      this.#others = withoutReader(this.#others, reader);
      return;
    }
    this.#reader = this.#others[0];
    this.#others = withoutReader(this.#others, this.#reader);
    if (this.#reader !== undefined) return;
    this.#budget.charge(CHANNEL_BYTES);
    this.use(at);
  }

  removeAllReaders(): void {
    this.#reader = undefined;
    this.#others = NO_READERS;
  }

  /** Notes the use of a channel, and evicts what exceeds the budget, except for this channel and its newest entries. */
  use(at: number): void {
    if (this.#reader === undefined) this.#queue.use(this, at);
    this.#budget.evictExcess(this, this.#newest);
  }

  override evict(): void {
    while (this.#oldest !== undefined) this.dropBlock(this.#oldest);
    this.#queue.remove(this);
    this.#budget.charge(-CHANNEL_BYTES);
    this.#onEvicted(this.#name);
  }

  /** The ids of a block are evicted with it. */
  dropBlock(block: Block): void {
    this.#remove(block);
    if (this.#ids === undefined) return;
    const { memoryBytes } = this.#ids;
    this.#ids.evictBefore(block.end);
    this.#budget.charge(this.#ids.memoryBytes - memoryBytes);
  }

  /** @returns the offset of the entry. */
  #push(record: string, at: number): number {
    const recordBytes = Buffer.byteLength(record);
    const block = this.#blockFor(recordBytes, at);
    block.push(record, recordBytes);
    this.#queue.use(block, at);
    this.#recordBytes += recordBytes;
    this.#end += 1;
    this.#removeExcess();
    return this.#end - 1;
  }

  #deliver(offset: number, record: string, at: number): Appended {
    this.use(at);
    if (this.#reader !== undefined) {
      const entries = [{ offset, record }];
      this.#reader.entries(entries);
      for (const reader of this.#others) reader.entries(entries);
    }
    return { epoch: this.#epoch, offset, duplicate: false };
  }

  #blockFor(recordBytes: number, at: number): Block {
    const { retainedMessages, retainedBytes, retainedSeconds } = this.#retention;
    const newest = this.#newest;
    if (
      newest?.hasSpaceFor(recordBytes) === true &&
      newest.count < Math.min(retainedMessages / MIN_BLOCKS, MAX_BLOCK_ENTRIES) &&
      at - newest.since < (retainedSeconds * 1000) / MIN_BLOCKS
    ) {
      return newest;
    }
    if (newest !== undefined) {
      this.#budget.charge(-newest.memoryBytes);
      newest.releaseUnused();
      this.#budget.charge(newest.memoryBytes);
    }
    const wanted = Math.max(2 * (newest?.usedBytes ?? 0), FIRST_BLOCK_BYTES);
    const minBytes = Math.min(wanted, MAX_BLOCK_BYTES, Math.ceil(retainedBytes / MIN_BLOCKS));
    const block = new Block({ owner: this, first: this.#end, minBytes, recordBytes, since: at });
    this.#budget.charge(block.memoryBytes);
    if (newest === undefined) this.#oldest = block;
    else newest.next = block;
    this.#newest = block;
    return block;
  }

  /** Removes the oldest block if the others reach a limit without it. */
  #removeExcess(): void {
    const { retainedMessages, retainedBytes } = this.#retention;
    for (let block = this.#oldest; block?.next !== undefined; block = this.#oldest) {
      const remaining = this.#recordBytes - block.recordBytes;
      if (remaining < retainedBytes && this.#end - block.next.first < retainedMessages) return;
      this.#remove(block);
    }
  }

  #remove(block: Block): void {
    this.#queue.remove(block);
    this.#budget.charge(-block.memoryBytes);
    this.#recordBytes -= block.recordBytes;
    this.#oldest = block.next;
    if (block.next === undefined) this.#newest = undefined;
  }
}

/** Most channels then have no further reader, and share one empty list. */
function withoutReader(readers: readonly LogReader[], reader: LogReader | undefined): readonly LogReader[] {
  const others = readers.filter((other) => other !== reader);
  return others.length === 0 ? NO_READERS : others;
}

/** Returns a short flat string: V8 builds that of `randomUUID` from parts, which take 500 bytes. */
function createEpoch(): string {
  if (usedRandom === random.length) {
    randomFillSync(random);
    usedRandom = 0;
  }
  usedRandom += EPOCH_BYTES;
  return random.toString("base64url", usedRandom - EPOCH_BYTES, usedRandom);
}
