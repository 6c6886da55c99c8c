import type { LogEntry } from "./log.ts";
import type { Retention } from "./retention.ts";

/** Parts into which what must be retained is divided: a log is trimmed by one at a time. */
const PARTS = 16;

interface Point {
  readonly offset: number;
  /** Characters of all entries before it that were seen. */
  readonly characters: number;
  /** When the last entry before it was seen, in milliseconds. */
  readonly at: number;
}

/** Finds where a channel may be trimmed, by size and age, from a few places in it. */
export class TrimPoints {
  readonly #retainedCharacters: number;
  readonly #retainedMs: number;
  #points: Point[] = [];
  #last: Point = { offset: 0, characters: 0, at: 0 };

  constructor({ retainedBytes, retainedSeconds }: Retention) {
    this.#retainedCharacters = retainedBytes;
    this.#retainedMs = retainedSeconds * 1000;
  }

  /** Entries were read, at a time in milliseconds. What was read before does not count again. */
  add(entries: readonly LogEntry[], at: number): void {
    let { offset, characters } = this.#last;
    for (const entry of entries) {
      if (entry.offset < offset) continue;
      offset = entry.offset + 1;
      characters += entry.payload.length;
    }
    this.#last = { offset, characters, at };
    const newest = this.#points.at(-1);
    if (
      newest === undefined ||
      characters - newest.characters >= this.#retainedCharacters / PARTS ||
      at - newest.at >= this.#retainedMs / PARTS
    ) {
      this.#points.push(this.#last);
    }
  }

  /** @returns the offset of the first entry that must be kept, where that has changed. */
  due(at: number): number | undefined {
    const isDue = (point: Point): boolean =>
      at - point.at >= this.#retainedMs ||
      this.#last.characters - point.characters >= this.#retainedCharacters;
    if (this.#points.length > 0 && isDue(this.#last)) {
      this.#points = [];
      return this.#last.offset;
    }
    const index = this.#points.findLastIndex(isDue);
    return this.#points.splice(0, index + 1).at(-1)?.offset;
  }
}
