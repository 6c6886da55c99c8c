/** A stream has entries with increasing ids (https://valkey.io/topics/streams-intro). */
import { CommandError } from "./resp.ts";

/** An id is a pair of numbers; the first one is the more significant. */
export interface EntryId {
  readonly first: number;
  readonly second: number;
}

export interface Entry {
  readonly id: EntryId;
  /** Alternating names and values. */
  readonly fields: readonly string[];
}

const ZERO: EntryId = { first: 0, second: 0 };

/** An approximate trim removes at least this number of entries, as in Valkey. */
const TRIM_SLACK = 100;

export class EntryStream {
  #entries: Entry[] = [];
  #last = ZERO;

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  /** The id of the newest entry, even if the entry has been removed. */
  get last(): EntryId {
    return this.#last;
  }

  /**
   * @param id `*`, `NUMBER-*` or `NUMBER-NUMBER`; a star stands for the next number.
   * @throws {CommandError} if the id is not greater than all ids before.
   */
  append(id: string, fields: readonly string[], nowMs: number): EntryId {
    const next = this.#nextId(id, nowMs);
    if (compare(next, ZERO) === 0)
      throw new CommandError("ERR The ID specified in XADD must be greater than 0-0");
    if (compare(next, this.#last) <= 0) {
      throw new CommandError(
        "ERR The ID specified in XADD is equal or smaller than the target stream top item",
      );
    }
    this.#entries.push({ id: next, fields });
    this.#last = next;
    return next;
  }

  /** The entries between two ids, inclusive. */
  range(from: EntryId, to: EntryId): readonly Entry[] {
    return this.#entries.slice(this.#indexOf(from), this.#indexOf(successor(to)));
  }

  /** The entries after an id, up to another one. */
  between(after: EntryId, to: EntryId): readonly Entry[] {
    return this.range(successor(after), to);
  }

  /** The entries after an id. */
  after(id: EntryId, count: number): readonly Entry[] {
    const start = this.#indexOf(successor(id));
    return this.#entries.slice(start, start + count);
  }

  /** @returns the number of removed entries. */
  keepNewest(count: number, { approximately }: { readonly approximately: boolean }): number {
    const excess = this.#entries.length - count;
    if (excess <= 0 || (approximately && excess < TRIM_SLACK)) return 0;
    return this.#entries.splice(0, excess).length;
  }

  /** @returns the number of removed entries. */
  keepFrom(id: EntryId): number {
    return this.#entries.splice(0, this.#indexOf(id)).length;
  }

  #nextId(id: string, nowMs: number): EntryId {
    const last = this.#last;
    if (id === "*") return nowMs > last.first ? { first: nowMs, second: 0 } : successor(last);
    if (!id.endsWith("-*")) return parseId(id, 0);
    const { first } = parseId(id.slice(0, -"-*".length), 0);
    return first === last.first ? successor(last) : { first, second: 0 };
  }

  /** The index of the first entry whose id is not less than this one. */
  #indexOf(id: EntryId): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.#entries[middle];
      if (entry !== undefined && compare(entry.id, id) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** @param missing the second number if the text has only one. */
export function parseId(text: string, missing: number): EntryId {
  const { first, second } = /^(?<first>\d+)(?:-(?<second>\d+))?$/.exec(text)?.groups ?? {};
  if (first === undefined) {
    throw new CommandError("ERR Invalid stream ID specified as stream command argument");
  }
  return { first: Number(first), second: second === undefined ? missing : Number(second) };
}

export function formatId({ first, second }: EntryId): string {
  return `${first}-${second}`;
}

function successor({ first, second }: EntryId): EntryId {
  return { first, second: second + 1 };
}

function compare(a: EntryId, b: EntryId): number {
  return a.first - b.first || a.second - b.second;
}
