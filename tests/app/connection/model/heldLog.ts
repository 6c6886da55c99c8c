import assert from "node:assert/strict";

import { IdInUseError } from "../../../../app/src/log/log.ts";
import type {
  Appended,
  LogEntry,
  LogPage,
  LogPosition,
  LogReader,
  MessageLog,
  NewMessage,
} from "../../../../app/src/log/log.ts";

/** What the log does only after the test has released it. */
export type HeldKind = "append" | "deliver" | "end" | "read" | "start";

const ALL_KINDS: readonly HeldKind[] = ["append", "deliver", "end", "read", "start"];

interface Held {
  readonly kind: HeldKind;
  readonly channel: string;
  /** @param error the call fails with it, if it can fail. */
  readonly release: (error: Error | undefined) => void;
}

/** A log of many channels. The test decides what it retains, and when each call has its result, or fails. */
export class HeldLog implements MessageLog {
  readonly #channels = new Map<string, HeldChannel>();
  readonly #held: Held[] = [];
  readonly #subscribed = new Set<LogReader>();
  readonly #holding = new Set<HeldKind>();

  channel(name: string): HeldChannel {
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      channel = new HeldChannel((release) => {
        this.#hold({ kind: "deliver", channel: name, release });
      });
      this.#channels.set(name, channel);
    }
    return channel;
  }

  /** Number of channels with a reader, and of calls that wait. */
  get readers(): number {
    return [...this.#channels.values()].filter(({ isFollowed }) => isFollowed).length;
  }

  held(kind: HeldKind): number {
    return this.#held.filter((held) => held.kind === kind).length;
  }

  /** Holds the following calls of a kind. */
  hold(kind: HeldKind): void {
    this.#holding.add(kind);
  }

  /** Releases one of the calls that wait. */
  release(n: number, error?: Error): void {
    const index = n % this.#held.length;
    // Entries are delivered in order, and appends of a channel are stored in order.
    const { kind, channel } = this.#held[index] ?? {};
    const first = this.#held.findIndex((held) => held.kind === kind && held.channel === channel);
    for (const held of this.#held.splice(first, 1)) held.release(error);
  }

  /** Releases all calls of some kinds, and the following ones. */
  releaseAll(...kinds: readonly HeldKind[]): void {
    const released = kinds.length === 0 ? ALL_KINDS : kinds;
    for (const kind of released) this.#holding.delete(kind);
    for (;;) {
      const index = this.#held.findIndex(({ kind }) => released.includes(kind));
      if (index < 0) return;
      for (const held of this.#held.splice(index, 1)) held.release(undefined);
    }
  }

  append({ channel, record, id }: NewMessage): Promise<Appended> {
    return this.#call("append", channel, () => this.channel(channel).append(record, id));
  }

  end(channel: string): Promise<LogPosition> {
    return this.#call("end", channel, () => this.channel(channel).end);
  }

  read(channel: string, from: LogPosition, maxBytes: number): Promise<LogPage> {
    return this.#call("read", channel, () => this.channel(channel).read(from, maxBytes));
  }

  subscribe(name: string, reader: LogReader): void {
    this.#subscribed.add(reader);
    const start = (): void => {
      if (this.#subscribed.has(reader)) this.channel(name).follow(reader);
    };
    this.#hold({ kind: "start", channel: name, release: start });
  }

  unsubscribe(name: string, reader: LogReader): void {
    this.#subscribed.delete(reader);
    this.channel(name).unfollow(reader);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #call<Result>(kind: HeldKind, channel: string, result: () => Result): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const release = (error: Error | undefined): void => {
      try {
        if (error === undefined) resolve(result());
        else reject(error);
      } catch (refusal) {
        reject(refusal);
      }
    };
    this.#hold({ kind, channel, release });
    return promise;
  }

  #hold(held: Held): void {
    if (this.#holding.has(held.kind)) this.#held.push(held);
    else held.release(undefined);
  }
}

/** One channel of a {@link HeldLog}. */
export class HeldChannel {
  readonly #hold: (release: () => void) => void;
  /** All records of each epoch, by offset. */
  readonly #history = new Map<string, Map<number, string>>();
  readonly #offsets = new Map<string, number>();
  #epochs = 0;
  #first = 1;
  #next = 1;
  #reader: LogReader | undefined;
  /** Offset of the next entry for the reader. */
  #delivered = 1;

  constructor(hold: (release: () => void) => void) {
    this.#hold = hold;
  }

  get isFollowed(): boolean {
    return this.#reader !== undefined;
  }

  get epoch(): string {
    return `e${this.#epochs}`;
  }

  get end(): LogPosition {
    return { epoch: this.epoch, next: this.#next };
  }

  has(epoch: string, offset: number): boolean {
    return epoch === this.epoch && offset >= this.#first && offset < this.#next;
  }

  record(epoch: string, offset: number): string | undefined {
    return this.#history.get(epoch)?.get(offset);
  }

  append(record: string, id?: string): Appended {
    const known = id === undefined ? undefined : this.#offsets.get(id);
    if (known !== undefined) {
      if (this.record(this.epoch, known) !== record) throw new IdInUseError();
      return { epoch: this.epoch, offset: known, duplicate: true };
    }
    const offset = this.#next++;
    const stored = this.#history.get(this.epoch) ?? new Map<number, string>();
    this.#history.set(this.epoch, stored.set(offset, record));
    if (id !== undefined) this.#offsets.set(id, offset);
    this.#hold(() => {
      this.#deliver();
    });
    return { epoch: this.epoch, offset, duplicate: false };
  }

  /** Drops the oldest entries. */
  drop(count: number): void {
    this.#first = Math.min(this.#next, this.#first + count);
    if (this.#delivered < this.#first) this.#restartReader();
  }

  /** Begins a new epoch. */
  restart(): void {
    this.#epochs += 1;
    this.#offsets.clear();
    this.#first = this.#next = 1;
    this.#restartReader();
  }

  follow(reader: LogReader): void {
    assert.equal(this.#reader, undefined, "one reader per channel");
    this.#reader = reader;
    this.#delivered = this.#next;
    reader.started(this.end);
  }

  unfollow(reader: LogReader): void {
    if (this.#reader === reader) this.#reader = undefined;
  }

  /** See `MessageLog.read`. */
  read({ epoch, next }: LogPosition, maxBytes: number): LogPage {
    const from = epoch === this.epoch ? Math.min(Math.max(next, this.#first), this.#next) : this.#first;
    const entries: LogEntry[] = [];
    let bytes = 0;
    for (let offset = from; offset < this.#next; offset++) {
      const record = this.record(this.epoch, offset) ?? assert.fail();
      bytes += Buffer.byteLength(record);
      if (entries.length > 0 && bytes > maxBytes) break;
      entries.push({ offset, record });
    }
    return { from: { epoch: this.epoch, next: from }, entries };
  }

  #deliver(): void {
    if (this.#reader === undefined || this.#delivered >= this.#next) return;
    const { entries } = this.read({ epoch: this.epoch, next: this.#delivered }, Infinity);
    this.#delivered = this.#next;
    this.#reader.entries(entries);
  }

  #restartReader(): void {
    this.#delivered = this.#first;
    this.#reader?.started({ epoch: this.epoch, next: this.#first });
  }
}
