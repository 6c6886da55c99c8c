import type { LogEntry, LogPosition, LogReader, MessageLog } from "../../../app/src/log/log.ts";

import { subscribeTo } from "./subscribeTo.ts";

/** Bytes of records per page. */
const PAGE_BYTES = 64 * 1024;

/** Delay before a failed read of the log is repeated, in milliseconds. */
const RETRY_MS = 50;

/** Receives the retained entries of a channel, then new ones. */
export interface RetainedReader {
  /** @param end offset at which the channel ended: the entries before it follow at once. */
  started(from: LogPosition, end: number): void;
  entries(entries: readonly LogEntry[]): void;
}

/** Follows a channel from its oldest retained entry on. @returns its undo. */
export function followRetained(log: MessageLog, channel: string, reader: RetainedReader): () => void {
  const follower = new RetainedFollower(log, channel, reader);
  const unsubscribe = subscribeTo(log, channel, follower);
  return () => {
    follower.stop();
    unsubscribe();
  };
}

class RetainedFollower implements LogReader {
  readonly #log: MessageLog;
  readonly #channel: string;
  readonly #reader: RetainedReader;
  #epoch = "";
  /** Offset of the next entry for the reader. */
  #next = 0;
  /** Offset of the entry after the newest one that is known. */
  #end = 0;
  /** Whether pages are read. New entries are read with them. */
  #isReading = false;
  #isStopped = false;

  constructor(log: MessageLog, channel: string, reader: RetainedReader) {
    this.#log = log;
    this.#channel = channel;
    this.#reader = reader;
  }

  stop(): void {
    this.#isStopped = true;
  }

  started({ epoch, next }: LogPosition): void {
    const isFirst = this.#epoch === "";
    const isReading = this.#isReading && this.#epoch === epoch;
    this.#epoch = epoch;
    this.#end = next;
    this.#isReading = isFirst || isReading;
    if (isFirst) void this.#readPages(epoch);
    else if (!isReading) {
      this.#next = next;
      this.#reader.started({ epoch, next }, next);
    }
  }

  entries(entries: readonly LogEntry[]): void {
    const [first, last] = [entries[0], entries.at(-1)];
    if (first === undefined || last === undefined) return;
    this.#end = last.offset + 1;
    if (this.#isReading) return;
    // The last page can have had the first ones.
    const unread = entries.slice(Math.max(0, this.#next - first.offset));
    if (unread.length === 0) return;
    this.#next = this.#end;
    this.#reader.entries(unread);
  }

  async #readPages(epoch: string): Promise<void> {
    const isCurrent = (): boolean => this.#isReading && this.#epoch === epoch && !this.#isStopped;
    while (isCurrent()) {
      const { from, entries } = await this.#log
        .read(this.#channel, { epoch, next: this.#next }, PAGE_BYTES)
        .catch(() => ({ from: undefined, entries: [] }));
      if (!isCurrent()) return;
      if (from?.epoch === epoch) {
        if (from.next !== this.#next) this.#reader.started(from, this.#end);
        this.#next = from.next + entries.length;
        if (entries.length > 0) this.#reader.entries(entries);
        if (this.#next >= this.#end) this.#isReading = false;
        else if (entries.length > 0) continue;
      }
      if (this.#isReading) await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
    }
  }
}
