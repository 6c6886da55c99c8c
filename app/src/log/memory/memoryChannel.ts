import { randomUUID } from "node:crypto";

import type { Appended, LogPage, LogPosition, LogReader, Retention } from "../log.ts";
import { idName, recordDigest } from "../publishId.ts";
import { PackedEntries } from "./packedEntries.ts";
import { RecentIds } from "./recentIds.ts";

const FIRST_OFFSET = 1;

/** Memory of a channel besides its entries and ids, in bytes, as measured: 1.3 KiB, and the overhead of a block. */
const CHANNEL_BYTES = 2048;

/** The entries, ids and readers of one channel. Times are in milliseconds of a monotonic clock. */
export class MemoryChannel {
  readonly #epoch = randomUUID();
  readonly #entries: PackedEntries;
  readonly #ids: RecentIds;
  readonly #retainedMs: number;
  /** Copied on change, so that `append` can iterate over it. */
  #readers: readonly LogReader[] = [];
  #usedAt = 0;

  constructor(retention: Retention) {
    this.#entries = new PackedEntries(FIRST_OFFSET, retention);
    this.#ids = new RecentIds(retention.retainedMessages);
    this.#retainedMs = retention.retainedSeconds * 1000;
  }

  get isRead(): boolean {
    return this.#readers.length > 0;
  }

  get memoryBytes(): number {
    return CHANNEL_BYTES + this.#entries.memoryBytes + this.#ids.memoryBytes;
  }

  /** Appends a message once per id and publisher. @returns `undefined` if another message has this id. */
  appendOnce(record: string, id: string, publisher: string | undefined, at: number): Appended | undefined {
    const name = idName(id, publisher);
    const digest = recordDigest(record);
    const known = this.#ids.find(name);
    if (known === undefined) {
      const appended = this.append(record, at);
      this.#ids.add(name, { offset: appended.offset, digest }, at);
      return appended;
    }
    this.#usedAt = at;
    if (known.digest !== digest) return undefined;
    return { epoch: this.#epoch, offset: known.offset, duplicate: true };
  }

  append(record: string, at: number): Appended {
    this.#usedAt = at;
    const offset = this.#entries.push(record, at);
    for (const reader of this.#readers) reader.entries([{ offset, record }]);
    return { epoch: this.#epoch, offset, duplicate: false };
  }

  end(at: number): LogPosition {
    this.#usedAt = at;
    return { epoch: this.#epoch, next: this.#entries.end };
  }

  /** See `MessageLog.read`. */
  read({ epoch, next }: LogPosition, maxBytes: number, at: number): LogPage {
    this.#usedAt = at;
    this.evictExpired(at);
    const { first, end } = this.#entries;
    const from = epoch === this.#epoch ? Math.min(Math.max(next, first), end) : first;
    return { from: { epoch: this.#epoch, next: from }, entries: this.#entries.from(from, maxBytes), end };
  }

  addReader(reader: LogReader): void {
    reader.started({ epoch: this.#epoch, next: this.#entries.end });
    this.#readers = [...this.#readers, reader];
  }

  removeReader(reader: LogReader, at: number): void {
    this.#usedAt = at;
    // Only the first one: a reader can have several subscriptions.
    const index = this.#readers.indexOf(reader);
    if (index >= 0) this.#readers = this.#readers.toSpliced(index, 1);
  }

  removeAllReaders(): void {
    this.#readers = [];
  }

  /** Drops entries and ids that are older than the retention time. */
  evictExpired(at: number): void {
    const horizon = at - this.#retainedMs;
    this.#entries.evictBefore(horizon);
    this.#ids.evictBefore(horizon);
  }

  /** Whether the channel has no reader, and was not used during the retention time. */
  isExpired(at: number): boolean {
    return !this.isRead && this.#usedAt < at - this.#retainedMs;
  }
}
