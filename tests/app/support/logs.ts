/** Message logs for tests. */
import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";

import type {
  Appended,
  LogEntry,
  LogPage,
  LogPosition,
  LogReader,
  MessageLog,
  NewMessage,
} from "../../../app/src/log/log.ts";
import { createMemoryLog } from "../../../app/src/log/memory/memoryLog.ts";
import { defaultSettings } from "../../../app/src/settings/settings.ts";

/** Creates a log that retains `retainedBytes`. */
export function memoryLog(retainedBytes = defaultSettings().retainedBytes): MessageLog {
  return createMemoryLog({ retentionOf: () => ({ ...defaultSettings(), retainedBytes }) });
}

/** Creates a log with latency: each call takes that many turns of the event loop. */
export function createRemoteLog(retainedBytes: number, turns = { append: 20, subscribe: 20 }): MessageLog {
  const memory = memoryLog(retainedBytes);
  const stopped = new WeakSet<LogReader>();
  const travel = async (distance: number): Promise<void> => {
    for (let turn = 0; turn < distance; turn++) await nextTurn();
  };
  return {
    ...memory,
    async append(message) {
      await travel(turns.append);
      return memory.append(message);
    },
    subscribe(channel, reader) {
      void travel(turns.subscribe).then(() => {
        if (!stopped.has(reader)) memory.subscribe(channel, reader);
      });
    },
    unsubscribe(channel, reader) {
      stopped.add(reader);
      memory.unsubscribe(channel, reader);
    },
  };
}

/** A log whose answers and entries the test provides. */
export class ManualLog implements MessageLog {
  readonly appends: {
    readonly message: NewMessage;
    readonly answer: PromiseWithResolvers<Appended>;
  }[] = [];
  /** The readers that are subscribed now, by channel. */
  readonly readers = new Map<string, ManualReader>();
  onEnd: (channel: string) => Promise<LogPosition> = () => Promise.reject(new Error("away"));

  onRead: MessageLog["read"] = (channel, from, maxBytes) =>
    Promise.resolve(this.reader(channel).read(from, maxBytes));

  append(message: NewMessage): Promise<Appended> {
    const answer = Promise.withResolvers<Appended>();
    this.appends.push({ message, answer });
    return answer.promise;
  }

  end(channel: string): Promise<LogPosition> {
    return this.onEnd(channel);
  }

  read(channel: string, from: LogPosition, maxBytes: number): Promise<LogPage> {
    return this.onRead(channel, from, maxBytes);
  }

  subscribe(channel: string, reader: LogReader): void {
    assert.ok(!this.readers.has(channel), "one reader per channel");
    this.readers.set(channel, new ManualReader(reader));
  }

  unsubscribe(channel: string, reader: LogReader): void {
    if (this.readers.get(channel)?.isOf(reader) === true) this.readers.delete(channel);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  reader(channel: string): ManualReader {
    return this.readers.get(channel) ?? assert.fail(`no reader of ${JSON.stringify(channel)}`);
  }
}

/** A subscription of a {@link ManualLog}. What it delivers can be read again. */
export class ManualReader {
  readonly #reader: LogReader;
  #first: LogPosition | undefined;
  #entries: LogEntry[] = [];

  constructor(reader: LogReader) {
    this.#reader = reader;
  }

  isOf(reader: LogReader): boolean {
    return reader === this.#reader;
  }

  /** Begins to deliver. @param retained records from the position on, which are delivered unless it is the first call. */
  started(from: LogPosition, ...retained: readonly string[]): void {
    const isFirst = this.#first === undefined;
    this.#first = from;
    this.#entries = [];
    const entries = retained.map((record, n) => ({ offset: from.next + n, record }));
    if (isFirst) {
      this.#entries = entries;
      this.#reader.started({ ...from, next: from.next + entries.length });
    } else {
      this.#reader.started(from);
      if (entries.length > 0) this.entries(entries);
    }
  }

  entries(entries: readonly LogEntry[]): void {
    this.#entries.push(...entries);
    this.#reader.entries(entries);
  }

  /** See `MessageLog.read`. */
  read({ epoch, next }: LogPosition, maxBytes: number): LogPage {
    const first = this.#first ?? assert.fail("not started");
    const end = first.next + this.#entries.length;
    const from = epoch === first.epoch ? Math.min(Math.max(next, first.next), end) : first.next;
    const entries: LogEntry[] = [];
    let bytes = 0;
    for (const entry of this.#entries.slice(from - first.next)) {
      bytes += Buffer.byteLength(entry.record);
      if (entries.length > 0 && bytes > maxBytes) break;
      entries.push(entry);
    }
    return { from: { epoch: first.epoch, next: from }, entries };
  }
}
