/** A stream: entries in the order of their ids, which only grow (https://valkey.io/topics/streams-intro). */
import { CommandError } from "./resp.ts";

/** Two numbers that count as one: the first weighs more. */
export interface EntryId {
  readonly first: number;
  readonly second: number;
}

export interface Entry {
  readonly id: EntryId;
  /** Names and values in turn. */
  readonly fields: readonly string[];
}

const ZERO: EntryId = { first: 0, second: 0 };

/** As Valkey does where it is asked for about so many: entries leave by the hundred. */
const TRIM_SLACK = 100;

export class Stream {
  #entries: Entry[] = [];
  #last = ZERO;

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  /** The id of the newest entry, whether it is still there or not. */
  get last(): EntryId {
    return this.#last;
  }

  /**
   * @param id `*`, `NUMBER-*` or `NUMBER-NUMBER`; a star stands for the next one.
   * @throws {CommandError} where the id is not above every one before.
   */
  append(id: string, fields: readonly string[], nowMs: number): EntryId {
    const next = this.#nextId(id, nowMs);
    if (compare(next, this.#last) <= 0) {
      throw new CommandError(
        "ERR The ID specified in XADD is equal or smaller than the target stream top item",
      );
    }
    this.#entries.push({ id: next, fields });
    this.#last = next;
    return next;
  }

  /** The entries between two ids, both included. */
  range(from: EntryId, to: EntryId): readonly Entry[] {
    return this.#entries.slice(this.#indexOf(from), this.#indexOf(successor(to)));
  }

  /** The entries behind an id. */
  after(id: EntryId, count: number): readonly Entry[] {
    const start = this.#indexOf(successor(id));
    return this.#entries.slice(start, start + count);
  }

  /** @returns how many entries have gone. */
  keepNewest(count: number, { about }: { readonly about: boolean }): number {
    const excess = this.#entries.length - count;
    if (excess <= 0 || (about && excess < TRIM_SLACK)) return 0;
    return this.#entries.splice(0, excess).length;
  }

  /** @returns how many entries have gone. */
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

  /** Of the first entry whose id is not below this one. */
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

/** @param missing the second number where the text has only one. */
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
