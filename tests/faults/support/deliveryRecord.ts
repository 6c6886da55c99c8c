/** Records what readers receive of a channel, and checks it: each message once, in one order. */
import assert from "node:assert/strict";

import type { Gap, Position } from "../../../client/src/index.ts";

export interface Message {
  readonly id: string;
  readonly padding: string;
}

/** Sums over all readers of a process. */
export interface Counts {
  readers: number;
  /** Messages received. */
  deliveries: number;
  /** Greetings in the same epoch, except the first one of each reader. */
  reconnects: number;
  /** Messages that were not delivered and not reported by a `gap`. */
  lost: number;
  /** Messages of the current epoch that a `gap` reported. */
  reportedMissing: number;
  /** Messages that a reader received again. */
  duplicates: number;
  /** Contradictions to the protocol or to what another reader received. */
  contradictions: string[];
  /** Gaps without an end: a new epoch, or a log that has lost what the reader received. */
  openGaps: number;
  /** Longest time between two messages of one reader, in milliseconds. */
  longestPauseMs: number;
}

export function noCounts(): Counts {
  return {
    readers: 0,
    deliveries: 0,
    reconnects: 0,
    lost: 0,
    reportedMissing: 0,
    duplicates: 0,
    contradictions: [],
    openGaps: 0,
    longestPauseMs: 0,
  };
}

/** Message ids by epoch and offset; `null` if no reader received the offset. */
export type Log = Readonly<Record<string, readonly (string | null)[]>>;

const MAX_CONTRADICTIONS = 10;

interface Entry {
  readonly id: string;
  /** The whole frame, if the readers compare frames. */
  readonly text: Buffer | undefined;
}

/** By offset. */
type Entries = (Entry | undefined)[];

/** The channel as the readers of this process received it. */
export class DeliveryRecord {
  readonly counts: Counts = noCounts();
  readonly #epochs = new Map<string, Entries>();

  entries(epoch: string): Entries {
    let entries = this.#epochs.get(epoch);
    if (entries === undefined) {
      entries = [];
      this.#epochs.set(epoch, entries);
    }
    return entries;
  }

  contradiction(text: string): void {
    const { contradictions } = this.counts;
    if (contradictions.length < MAX_CONTRADICTIONS) contradictions.push(text);
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

/** The position of one reader in the channel. */
export class Reader {
  readonly #record: DeliveryRecord;
  readonly #epochs = new Set<string>();
  #epoch: string | undefined;
  #next = 0;
  #entries: Entries = [];
  /** Messages that a greeting skipped, until the server reports the gap. */
  #skipped: Gap | undefined;
  #readAt: number | undefined;

  constructor(record: DeliveryRecord) {
    this.#record = record;
    record.counts.readers += 1;
  }

  /** Position of the last message received. */
  get position(): Position | undefined {
    return this.#epoch === undefined ? undefined : { epoch: this.#epoch, offset: this.#next - 1 };
  }

  isAt({ epoch, offset }: Position): boolean {
    return this.#epoch === epoch && this.#next > offset;
  }

  greeted({ epoch, offset }: Position): void {
    this.#countUnreported();
    const before = this.position;
    if (before !== undefined) {
      if (before.epoch === epoch) this.#record.counts.reconnects += 1;
      if (before.epoch !== epoch) this.#skipped = { epoch: before.epoch, from: this.#next };
      else if (offset > before.offset) this.#skipped = { epoch, from: this.#next, to: offset };
      // The log has lost messages that the reader received.
      else if (offset < before.offset) this.#skipped = { epoch, from: offset + 1 };
    }
    this.#moveTo({ epoch, offset });
  }

  gap(gap: Gap): void {
    const skipped = this.#skipped;
    this.#skipped = undefined;
    if (gap.epoch !== skipped?.epoch || gap.from !== skipped.from || gap.to !== skipped.to) {
      this.#record.contradiction(`a gap of ${JSON.stringify(gap)} instead of ${JSON.stringify(skipped)}`);
    } else if (gap.to === undefined) this.#record.counts.openGaps += 1;
    else this.#record.counts.reportedMissing += gap.to - gap.from + 1;
  }

  /** Takes a frame that another reader has received at the same offset. It costs one comparison. */
  takeKnown(frame: Buffer): boolean {
    if (this.#entries[this.#next]?.text?.equals(frame) !== true) return false;
    this.#advance();
    return true;
  }

  message({ id }: Message, offset: number, text?: Buffer): void {
    this.#countUnreported();
    const { counts } = this.#record;
    if (offset < this.#next) {
      counts.duplicates += 1;
      return;
    }
    counts.lost += offset - this.#next;
    this.#next = offset;
    const known = this.#entries[offset];
    if (known === undefined) this.#entries[offset] = { id, text };
    else if (known.id !== id) {
      this.#record.contradiction(
        `${offset} of epoch ${this.#epoch ?? ""} is ${id} here and ${known.id} there`,
      );
    }
    this.#advance();
  }

  /** Counts messages as lost that no gap reported. */
  #countUnreported(): void {
    if (this.#skipped === undefined) return;
    const { from, to = from } = this.#skipped;
    this.#record.counts.lost += to - from + 1;
    this.#record.contradiction(`a gap of ${JSON.stringify(this.#skipped)} was not reported`);
    this.#skipped = undefined;
  }

  #moveTo({ epoch, offset }: Position): void {
    if (epoch !== this.#epoch && this.#epochs.has(epoch))
      this.#record.contradiction(`epoch ${epoch} was used before`);
    this.#epochs.add(epoch);
    this.#epoch = epoch;
    this.#next = offset + 1;
    this.#entries = this.#record.entries(epoch);
  }

  #advance(): void {
    const { counts } = this.#record;
    const now = performance.now();
    if (this.#readAt !== undefined)
      counts.longestPauseMs = Math.max(counts.longestPauseMs, now - this.#readAt);
    this.#readAt = now;
    this.#next += 1;
    counts.deliveries += 1;
  }
}

export interface Acknowledged extends Position {
  readonly id: string;
}

/** What the clients of one process received and published. */
export interface Report {
  readonly counts: Counts;
  readonly log: Log;
  readonly acknowledged: readonly Acknowledged[];
  /** Closed connections by close code. 1006: no Close frame. 0: the client gave the connection up. */
  readonly closes: Readonly<Record<number, number>>;
}

/** A channel in the message log. */
export interface Stored {
  /** The last message. */
  readonly end: Position;
  /** Ids of the retained messages by offset. */
  readonly ids: ReadonlyMap<number, string>;
}

/**
 * Compares all reports with each other and with the stored log: there is one log, which has each acknowledged message once,
 * at the acknowledged position. Only the last messages of an ended epoch may be missing.
 */
export function assertOneLog(reports: readonly Report[], { end, ids: stored }: Stored): void {
  const epochs = merge(reports.map(({ log }) => log));
  for (const [epoch, ids] of epochs) {
    const offsets = new Map<string, number>();
    for (const [offset, id] of ids.entries()) {
      // Offsets begin with 1.
      if (offset === 0) continue;
      assert.ok(id !== null, `no reader received ${offset} of epoch ${epoch}`);
      assert.equal(offsets.get(id), undefined, `${id} is at ${offset} of epoch ${epoch} too`);
      offsets.set(id, offset);
    }
  }

  const last = epochs.get(end.epoch) ?? [];
  assert.equal(last.length - 1, end.offset, "the last message");
  for (const [offset, id] of stored)
    assert.equal(last[offset], id, `${offset}, compared with the stored log`);

  const acknowledged = new Set<string>();
  for (const { id, epoch, offset } of reports.flatMap((report) => report.acknowledged)) {
    acknowledged.add(id);
    const ids = epochs.get(epoch) ?? [];
    if (epoch !== end.epoch && offset >= ids.length) continue;
    assert.equal(ids[offset], id, `${offset} of epoch ${epoch}, compared with its acknowledgement`);
  }
  for (const id of last.slice(1)) assert.ok(acknowledged.has(id ?? ""), `${id ?? ""} was not acknowledged`);
}

/** Merges the logs, which must agree. */
function merge(logs: readonly Log[]): ReadonlyMap<string, readonly (string | null)[]> {
  const epochs = new Map<string, (string | null)[]>();
  for (const [epoch, ids] of logs.flatMap((log) => Object.entries(log))) {
    const known = epochs.get(epoch) ?? [];
    epochs.set(epoch, known);
    for (const [offset, id] of ids.entries()) {
      known[offset] ??= id;
      if (id !== null)
        assert.equal(id, known[offset], `${offset} of epoch ${epoch}, received by two readers`);
    }
  }
  return epochs;
}
