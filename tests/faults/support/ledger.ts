/** What readers have seen of a channel, and whether it is what they were promised: each message, once, in one order. */
import assert from "node:assert/strict";

export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** As the server tells it. */
export interface Gap {
  readonly epoch: string;
  readonly from: number;
  readonly to?: number | undefined;
}

/** What everybody publishes. */
export interface Message {
  readonly id: string;
  readonly padding: string;
}

/** What readers met, all of a process together. */
export interface Findings {
  readers: number;
  /** Messages that were read. */
  deliveries: number;
  /** Greetings after the first one of each reader, in the same epoch. */
  reconnects: number;
  /** Messages that did not come, and nobody said so. */
  lost: number;
  /** Messages of the present epoch that did not come, as the server said. */
  told: number;
  /** Messages that came again. */
  doubled: number;
  /** What contradicts the protocol, or what another reader saw. */
  wrong: string[];
  /** Gaps without an end, as the server said: new epochs, and logs that do not have what was seen. */
  renewals: number;
  /** Longest time between two messages of one reader, in milliseconds. */
  longestPauseMs: number;
}

export function noFindings(): Findings {
  return {
    readers: 0,
    deliveries: 0,
    reconnects: 0,
    lost: 0,
    told: 0,
    doubled: 0,
    wrong: [],
    renewals: 0,
    longestPauseMs: 0,
  };
}

/** Ids of the messages by epoch and offset; nothing where nobody has read it. */
export type Log = Readonly<Record<string, readonly (string | null)[]>>;

/** More would be a report that nobody reads. */
const MAX_WRONGS = 10;

interface Entry {
  readonly id: string;
  /** The frame's text, where readers compare that. */
  readonly text: Buffer | undefined;
}

/** By offset. */
type Entries = (Entry | undefined)[];

/** The channel, put together from what the readers of this process have seen. */
export class Ledger {
  readonly findings: Findings = noFindings();
  readonly #epochs = new Map<string, Entries>();

  entries(epoch: string): Entries {
    let entries = this.#epochs.get(epoch);
    if (entries === undefined) {
      entries = [];
      this.#epochs.set(epoch, entries);
    }
    return entries;
  }

  wrong(text: string): void {
    if (this.findings.wrong.length < MAX_WRONGS) this.findings.wrong.push(text);
  }

  get log(): Log {
    return Object.fromEntries(
      Array.from(this.#epochs, ([epoch, entries]) => [
        epoch,
        Array.from(entries, (entry) => entry?.id ?? null),
      ]),
    );
  }
}

/** One reader's place in the channel. */
export class Reader {
  readonly #ledger: Ledger;
  readonly #epochs = new Set<string>();
  #epoch: string | undefined;
  #next = 0;
  #entries: Entries = [];
  /** What a greeting has skipped, until the server says so. */
  #skipped: Gap | undefined;
  #readAt: number | undefined;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
    ledger.findings.readers += 1;
  }

  /** The last message that it has seen. */
  get position(): Position | undefined {
    return this.#epoch === undefined ? undefined : { epoch: this.#epoch, offset: this.#next - 1 };
  }

  isAt({ epoch, offset }: Position): boolean {
    return this.#epoch === epoch && this.#next > offset;
  }

  greeted({ epoch, offset }: Position): void {
    this.#settle();
    const before = this.position;
    if (before !== undefined) {
      if (before.epoch === epoch) this.#ledger.findings.reconnects += 1;
      if (before.epoch !== epoch) this.#skipped = { epoch: before.epoch, from: this.#next };
      else if (offset > before.offset) this.#skipped = { epoch, from: this.#next, to: offset };
      // The log does not have what was seen.
      else if (offset < before.offset) this.#skipped = { epoch, from: offset + 1 };
    }
    this.#goTo({ epoch, offset });
  }

  gap(gap: Gap): void {
    const skipped = this.#skipped;
    this.#skipped = undefined;
    if (gap.epoch !== skipped?.epoch || gap.from !== skipped.from || gap.to !== skipped.to) {
      this.#ledger.wrong(`a gap of ${JSON.stringify(gap)} where it is ${JSON.stringify(skipped)}`);
    } else if (gap.to === undefined) this.#ledger.findings.renewals += 1;
    else this.#ledger.findings.told += gap.to - gap.from + 1;
  }

  /** Takes a frame that somebody has seen before at the place where this reader is. It costs no more than to compare it. */
  takes(frame: Buffer): boolean {
    if (this.#entries[this.#next]?.text?.equals(frame) !== true) return false;
    this.#took();
    return true;
  }

  message({ id }: Message, offset: number, text?: Buffer): void {
    this.#settle();
    const { findings } = this.#ledger;
    if (offset < this.#next) {
      findings.doubled += 1;
      return;
    }
    findings.lost += offset - this.#next;
    this.#next = offset;
    const known = this.#entries[offset];
    if (known === undefined) this.#entries[offset] = { id, text };
    else if (known.id !== id) {
      this.#ledger.wrong(`${offset} of epoch ${this.#epoch ?? ""} is ${id} here and ${known.id} there`);
    }
    this.#took();
  }

  /** What it was not told is lost. */
  #settle(): void {
    if (this.#skipped === undefined) return;
    const { from, to = from } = this.#skipped;
    this.#ledger.findings.lost += to - from + 1;
    this.#ledger.wrong(`a gap of ${JSON.stringify(this.#skipped)}, and not a word`);
    this.#skipped = undefined;
  }

  #goTo({ epoch, offset }: Position): void {
    if (epoch !== this.#epoch && this.#epochs.has(epoch)) this.#ledger.wrong(`epoch ${epoch} comes again`);
    this.#epochs.add(epoch);
    this.#epoch = epoch;
    this.#next = offset + 1;
    this.#entries = this.#ledger.entries(epoch);
  }

  #took(): void {
    const { findings } = this.#ledger;
    const now = performance.now();
    if (this.#readAt !== undefined)
      findings.longestPauseMs = Math.max(findings.longestPauseMs, now - this.#readAt);
    this.#readAt = now;
    this.#next += 1;
    findings.deliveries += 1;
  }
}

/** A publish that was acknowledged. */
export interface Acknowledged extends Position {
  readonly id: string;
}

/** What readers and publishers of one process have to say. */
export interface Report {
  readonly findings: Findings;
  readonly log: Log;
  readonly acknowledged: readonly Acknowledged[];
  /** Ends of connections by close code; 1006 is none. */
  readonly closes: Readonly<Record<number, number>>;
}

/** What the store has of a channel. */
export interface Stored {
  /** The last message. */
  readonly end: Position;
  /** Ids of the messages that are retained, by offset. */
  readonly ids: ReadonlyMap<number, string>;
}

/**
 * Holds all reports against each other and against the store: all have seen one log, which has what was acknowledged where it
 * was, and nothing twice. Only at the end of an epoch that is over, the store may have lost what it had acknowledged.
 */
export function assertOneLog(reports: readonly Report[], { end, ids: stored }: Stored): void {
  const epochs = merge(reports.map(({ log }) => log));
  for (const [epoch, ids] of epochs) {
    const offsets = new Map<string, number>();
    for (const [offset, id] of ids.entries()) {
      // Offsets begin with 1.
      if (offset === 0) continue;
      assert.ok(id !== null, `nobody has seen ${offset} of epoch ${epoch}`);
      assert.equal(offsets.get(id), undefined, `${id} is at ${offset} of epoch ${epoch} too`);
      offsets.set(id, offset);
    }
  }

  const last = epochs.get(end.epoch) ?? [];
  assert.equal(last.length - 1, end.offset, "the last message");
  for (const [offset, id] of stored) assert.equal(last[offset], id, `${offset}, as it is stored`);

  const acknowledged = new Set<string>();
  for (const { id, epoch, offset } of reports.flatMap((report) => report.acknowledged)) {
    acknowledged.add(id);
    const ids = epochs.get(epoch) ?? [];
    if (epoch !== end.epoch && offset >= ids.length) continue;
    assert.equal(ids[offset], id, `${offset} of epoch ${epoch}, as it was acknowledged`);
  }
  for (const id of last.slice(1)) assert.ok(acknowledged.has(id ?? ""), `${id ?? ""} was not acknowledged`);
}

/** All logs as one; where two have seen the same offset, it must be the same message. */
function merge(logs: readonly Log[]): ReadonlyMap<string, readonly (string | null)[]> {
  const epochs = new Map<string, (string | null)[]>();
  for (const [epoch, ids] of logs.flatMap((log) => Object.entries(log))) {
    const known = epochs.get(epoch) ?? [];
    epochs.set(epoch, known);
    for (const [offset, id] of ids.entries()) {
      known[offset] ??= id;
      if (id !== null) assert.equal(id, known[offset], `${offset} of epoch ${epoch}, seen by two`);
    }
  }
  return epochs;
}
