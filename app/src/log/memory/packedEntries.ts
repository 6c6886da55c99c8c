import type { LogEntry, Retention } from "../log.ts";

/** Size of the first block. Later blocks are larger, up to a maximum, so that a quiet channel needs little memory. */
const FIRST_BLOCK_BYTES = 1024;

/** Minimum number of blocks in a full log. Entries are evicted by whole blocks. */
const MIN_BLOCKS = 8;

/** Maximum share of a complete block that can be unused. */
const MAX_UNUSED_SHARE = 1 / 8;

/** Memory of an entry besides its record, in bytes, as measured: its start, in an array with spare capacity. */
const ENTRY_OVERHEAD_BYTES = 16;

/** Consecutive entries. */
interface Block {
  /** Records in UTF-8. They never change up to {@link used}. */
  bytes: Buffer;
  /** Offset of the first entry. */
  readonly first: number;
  /** Start of each entry, in bytes. */
  readonly starts: number[];
  used: number;
  /** Time of the first entry, in milliseconds. */
  readonly since: number;
  /** Time of the last entry, in milliseconds. */
  at: number;
}

/**
 * The newest entries of a log as bytes. The garbage collector copies long-lived strings, and needs several times their size
 * for it.
 */
export class PackedEntries {
  readonly #retention: Retention;
  readonly #blockBytes: number;
  readonly #blockEntries: number;
  readonly #blockMs: number;
  #blocks: Block[] = [];
  /** Memory of an evicted block, for the next one. */
  #spare: Buffer | undefined;
  #end: number;
  /** Size of all records. */
  #bytes = 0;
  /** Size of all blocks, including the spare one. */
  #allocated = 0;

  /** @param next offset of the first entry. */
  constructor(next: number, retention: Retention) {
    this.#retention = retention;
    this.#blockBytes = Math.ceil(retention.retainedBytes / MIN_BLOCKS);
    this.#blockEntries = Math.ceil(retention.retainedMessages / MIN_BLOCKS);
    this.#blockMs = (retention.retainedSeconds * 1000) / MIN_BLOCKS;
    this.#end = next;
  }

  /** Offset of the oldest retained entry; {@link end} if there is none. */
  get first(): number {
    return this.#blocks[0]?.first ?? this.#end;
  }

  /** Offset of the next entry. */
  get end(): number {
    return this.#end;
  }

  /** Memory of the entries, in bytes. */
  get memoryBytes(): number {
    return this.#allocated + (this.#end - this.first) * ENTRY_OVERHEAD_BYTES;
  }

  /**
   * Adds an entry, and evicts entries beyond the limits of number and size.
   * @param at time in milliseconds, which never decreases.
   * @returns the offset of the entry.
   */
  push(record: string, at: number): number {
    const length = Buffer.byteLength(record);
    const block = this.#blockFor(length, at);
    block.starts.push(block.used);
    block.used += block.bytes.write(record, block.used);
    block.at = at;
    this.#bytes += length;
    this.#end += 1;
    this.#evict();
    return this.#end - 1;
  }

  /** Returns the retained entries from an offset on: at least one if there is one, else at most `maxBytes`. */
  from(next: number, maxBytes: number): readonly LogEntry[] {
    const entries: LogEntry[] = [];
    let read = 0;
    for (const { bytes, first, starts, used } of this.#blocks) {
      for (let index = Math.max(0, next - first); index < starts.length; index++) {
        const start = starts[index] ?? used;
        const end = starts[index + 1] ?? used;
        read += end - start;
        if (entries.length > 0 && read > maxBytes) return entries;
        entries.push({ offset: first + index, record: bytes.toString("utf8", start, end) });
      }
    }
    return entries;
  }

  /** Evicts blocks whose entries are all older than a time. */
  evictBefore(horizon: number): void {
    const kept = this.#blocks.findIndex(({ at }) => at >= horizon);
    for (const block of this.#blocks.splice(0, kept < 0 ? Infinity : kept)) this.#drop(block);
  }

  #blockFor(length: number, at: number): Block {
    const last = this.#blocks.at(-1);
    if (
      last !== undefined &&
      last.used + length <= last.bytes.length &&
      last.starts.length < this.#blockEntries &&
      at - last.since < this.#blockMs
    ) {
      return last;
    }
    const wanted = Math.min(2 * (last?.bytes.length ?? FIRST_BLOCK_BYTES / 2), this.#blockBytes);
    const size = Math.max(wanted, length);
    if (last !== undefined) this.#releaseUnused(last);
    const spare = this.#spare?.length === size ? this.#spare : undefined;
    if (spare === undefined) this.#allocated += size;
    else this.#spare = undefined;
    const bytes = spare ?? Buffer.allocUnsafeSlow(size);
    const block: Block = { bytes, first: this.#end, starts: [], used: 0, since: at, at };
    this.#blocks.push(block);
    return block;
  }

  /** Evicts the oldest block if the others reach a limit without it. */
  #evict(): void {
    const { retainedMessages, retainedBytes } = this.#retention;
    for (let [oldest, next] = this.#blocks; oldest !== undefined && next !== undefined;) {
      const remaining = this.#bytes - oldest.used;
      if (remaining < retainedBytes && this.#end - next.first < retainedMessages) return;
      this.#blocks.shift();
      this.#drop(oldest);
      [oldest, next] = this.#blocks;
    }
  }

  /** Moves a complete block into less memory if much of its memory is unused. */
  #releaseUnused(block: Block): void {
    const { bytes, used } = block;
    if (bytes.length - used <= bytes.length * MAX_UNUSED_SHARE) return;
    block.bytes = Buffer.allocUnsafeSlow(used);
    bytes.copy(block.bytes, 0, 0, used);
    this.#allocated += used;
    this.#setSpare(bytes);
  }

  #drop({ bytes, used }: Block): void {
    this.#bytes -= used;
    this.#setSpare(bytes);
  }

  #setSpare(bytes: Buffer): void {
    this.#allocated -= this.#spare?.length ?? 0;
    this.#spare = bytes;
  }
}
