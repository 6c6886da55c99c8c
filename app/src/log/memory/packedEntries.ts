import type { LogEntry } from "../log.ts";
import type { Retention } from "../retention.ts";

/** Blocks grow with the log, so that a quiet one costs little. */
const FIRST_BLOCK_BYTES = 1024;

/** Blocks into which a full log is divided at least: it forgets one at a time. */
const LEAST_BLOCKS = 8;

/** A block that is complete keeps at most this share of its memory unused. */
const MAX_UNUSED_SHARE = 1 / 8;

/** What is kept of an entry besides its payload, in bytes, as measured: where it begins, in a list that has room for more. */
const ENTRY_OVERHEAD_BYTES = 16;

interface Block {
  /** Unchanged up to {@link used}. */
  bytes: Buffer;
  /** Offset of the first entry. */
  readonly first: number;
  /** Where each entry begins, in bytes. */
  readonly starts: number[];
  used: number;
  /** When the first entry was added, in milliseconds. */
  readonly since: number;
  /** When the last entry was added, in milliseconds. */
  at: number;
}

/**
 * The newest entries of a log, as bytes. Texts that live as long would be moved about by the garbage collector, which
 * then takes several times their size for itself.
 */
export class PackedEntries {
  readonly #retention: Retention;
  readonly #blockBytes: number;
  readonly #blockEntries: number;
  readonly #blockMs: number;
  #blocks: Block[] = [];
  /** Of another block that needs it no more, for the next one. */
  #spare: Buffer | undefined;
  #end: number;
  /** Of all payloads. */
  #bytes = 0;
  /** Of all blocks, and of the spare one. */
  #allocated = 0;

  /** @param next offset of the first entry. */
  constructor(next: number, retention: Retention) {
    this.#retention = retention;
    this.#blockBytes = Math.ceil(retention.retainedBytes / LEAST_BLOCKS);
    this.#blockEntries = Math.ceil(retention.retainedMessages / LEAST_BLOCKS);
    this.#blockMs = (retention.retainedSeconds * 1000) / LEAST_BLOCKS;
    this.#end = next;
  }

  /** Offset of the oldest retained entry; {@link end} where there is none. */
  get first(): number {
    return this.#blocks[0]?.first ?? this.#end;
  }

  /** Offset that the next entry gets. */
  get end(): number {
    return this.#end;
  }

  /** What the entries take, in bytes. */
  get memoryBytes(): number {
    return this.#allocated + (this.#end - this.first) * ENTRY_OVERHEAD_BYTES;
  }

  /**
   * Adds an entry, and drops what is beyond the limits of number and size.
   * @param at in milliseconds; it never goes back.
   * @returns the entry's offset.
   */
  push(payload: string, at: number): number {
    const length = Buffer.byteLength(payload);
    const block = this.#blockFor(length, at);
    block.starts.push(block.used);
    block.used += block.bytes.write(payload, block.used);
    block.at = at;
    this.#bytes += length;
    this.#end += 1;
    this.#evict();
    return this.#end - 1;
  }

  /** Every retained entry, oldest first. */
  all(): readonly LogEntry[] {
    return this.#blocks.flatMap(({ bytes, first, starts, used }) =>
      starts.map((start, index) => ({
        offset: first + index,
        payload: bytes.toString("utf8", start, starts[index + 1] ?? used),
      })),
    );
  }

  /** Drops what was added before a time. */
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

  /** The oldest block goes when what remains reaches a limit by itself. */
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

  /** Moves a block that is complete into as much memory as it needs, if it has much more. */
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
