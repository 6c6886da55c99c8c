import assert from "node:assert/strict";

import type {
  Appended,
  LogEntry,
  LogPage,
  LogPosition,
  LogReader,
  MessageLog,
} from "../../../app/src/log/log.ts";

interface Read {
  readonly from: LogPosition;
  readonly maxBytes: number;
  readonly answer: PromiseWithResolvers<LogPage>;
}

/** A log with one channel. The test decides what it retains, and when it answers a read. */
export class ModelLog implements MessageLog {
  /** All records of each epoch, by offset. */
  readonly history = new Map<string, Map<number, string>>();
  /** Whether a read waits for {@link answerReads}. */
  isHolding = false;
  /** Number of reads. */
  reads = 0;
  maxReadsAtOnce = 0;
  #first: LogPosition = { epoch: "e0", next: 1 };
  #next = 1;
  #epochs = 0;
  #reader: LogReader | undefined;
  #held: Read[] = [];

  get epoch(): string {
    return this.#first.epoch;
  }

  get next(): number {
    return this.#next;
  }

  has(epoch: string, offset: number): boolean {
    return epoch === this.epoch && offset >= this.#first.next && offset < this.#next;
  }

  push(...records: readonly string[]): void {
    if (records.length === 0) return;
    const entries = records.map((record, n) => ({ offset: this.#next + n, record }));
    this.#store(records);
    this.#reader?.entries(entries);
  }

  /** Drops retained entries. */
  drop(count: number): void {
    this.#first = { ...this.#first, next: Math.min(this.#next, this.#first.next + count) };
  }

  /** Loses all entries. The new epoch has some already. */
  restart(first: number, ...records: readonly string[]): void {
    this.#epochs += 1;
    this.#first = { epoch: `e${this.#epochs}`, next: first };
    this.#next = first;
    this.#deliverFrom(records);
  }

  /** Drops all entries and some that were never delivered. */
  skip(count: number, ...records: readonly string[]): void {
    this.#next += count;
    this.#first = { ...this.#first, next: this.#next };
    this.#deliverFrom(records);
  }

  /** Answers the reads that wait, in the state of now. */
  answerReads(error?: Error): void {
    for (const { from, maxBytes, answer } of this.#held.splice(0)) {
      if (error === undefined) answer.resolve(this.#page(from, maxBytes));
      else answer.reject(error);
    }
  }

  read(_channel: string, from: LogPosition, maxBytes: number): Promise<LogPage> {
    this.reads += 1;
    if (!this.isHolding) return Promise.resolve(this.#page(from, maxBytes));
    const answer = Promise.withResolvers<LogPage>();
    this.#held.push({ from, maxBytes, answer });
    this.maxReadsAtOnce = Math.max(this.maxReadsAtOnce, this.#held.length);
    return answer.promise;
  }

  subscribe(_channel: string, reader: LogReader): void {
    this.#reader = reader;
    reader.started({ epoch: this.epoch, next: this.#next });
  }

  unsubscribe(): void {
    this.#reader = undefined;
  }

  end(): Promise<LogPosition> {
    return Promise.resolve({ epoch: this.epoch, next: this.#next });
  }

  append(): Promise<Appended> {
    return assert.fail("the test appends by itself");
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #deliverFrom(records: readonly string[]): void {
    this.#reader?.started(this.#first);
    this.push(...records);
  }

  #store(records: readonly string[]): void {
    const stored = this.history.get(this.epoch) ?? new Map<number, string>();
    this.history.set(this.epoch, stored);
    for (const record of records) stored.set(this.#next++, record);
  }

  #page({ epoch, next }: LogPosition, maxBytes: number): LogPage {
    const from =
      epoch === this.epoch ? Math.min(Math.max(next, this.#first.next), this.#next) : this.#first.next;
    const entries: LogEntry[] = [];
    let bytes = 0;
    for (let offset = from; offset < this.#next; offset++) {
      const record = this.history.get(this.epoch)?.get(offset) ?? assert.fail();
      bytes += Buffer.byteLength(record);
      if (entries.length > 0 && bytes > maxBytes) break;
      entries.push({ offset, record });
    }
    return { from: { epoch: this.epoch, next: from }, entries };
  }
}
