import type { LogEntry } from "./log.ts";
import type { Retention } from "./retention.ts";

/** Parts into which what must be retained is divided: a log is trimmed by one at a time. */
const PARTS = 16;

/** An entry, and how long its payload is as UTF-8. */
export interface MeasuredEntry extends LogEntry {
  readonly bytes: number;
}

interface Point {
  readonly offset: number;
  /** Of the payloads of all entries before it that were seen. */
  readonly bytes: number;
  /** When the last entry before it was seen, in milliseconds. */
  readonly at: number;
}

/** Finds where a channel may be trimmed, by size and age, from a few places in it. */
export class TrimPoints {
  readonly #retainedBytes: number;
  readonly #retainedMs: number;
  #points: Point[] = [];
  #last: Point = { offset: 0, bytes: 0, at: 0 };
  #trimmedTo = 0;

  constructor({ retainedBytes, retainedSeconds }: Retention) {
    this.#retainedBytes = retainedBytes;
    this.#retainedMs = retainedSeconds * 1000;
  }

  /** Entries were read, at a time in milliseconds. What was read before does not count again. */
  add(entries: readonly MeasuredEntry[], at: number): void {
    let { offset, bytes } = this.#last;
    for (const entry of entries) {
      if (entry.offset < offset) continue;
      offset = entry.offset + 1;
      bytes += entry.bytes;
    }
    if (offset === this.#last.offset) return;
    this.#last = { offset, bytes, at };
    const newest = this.#points.at(-1);
    if (
      newest === undefined ||
      bytes - newest.bytes >= this.#retainedBytes / PARTS ||
      at - newest.at >= this.#retainedMs / PARTS
    ) {
      this.#points.push(this.#last);
    }
  }

  /** @returns the offset of the first entry that must be kept, where that has changed. */
  due(at: number): number | undefined {
    const isDue = (point: Point): boolean =>
      at - point.at >= this.#retainedMs || this.#last.bytes - point.bytes >= this.#retainedBytes;
    const offset = [...this.#points, this.#last].findLast(isDue)?.offset ?? 0;
    if (offset <= this.#trimmedTo) return undefined;
    this.#trimmedTo = offset;
    this.#points = this.#points.filter((point) => point.offset > offset);
    return offset;
  }
}
