/* eslint-disable mocha/no-exports -- the fixture of a suite that runs once per driver. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import type {
  Appended,
  LogEntry,
  LogPage,
  LogPosition,
  LogReader,
  MessageLog,
  Retention,
  RetentionOf,
} from "../../../../app/src/log/log.ts";
import { LogRecorder } from "../logRecorder.ts";
import { subscribeTo } from "../subscribeTo.ts";

const RETENTION: Retention = {
  retainedMessages: 10_000,
  retainedBytes: 1024 * 1024,
  retainedSeconds: 300,
};

const PAGE_BYTES = 64 * 1024;

/** A driver that the contract's suite tests. */
export interface LogDriver {
  /** Opens a log. If `shared`, all logs have the same entries. */
  open(retentionOf: RetentionOf): Promise<MessageLog> | MessageLog;
  /** Whether several tasks can use the log at once. */
  readonly shared: boolean;
  /** Number of channels that a test opens at once. @default 2000 */
  readonly maxChannels?: number;
  /** Opens a log whose connection to the store can be interrupted. */
  readonly openInterruptible?: (retentionOf: RetentionOf) => Promise<InterruptibleLog>;
}

export interface InterruptibleLog {
  readonly log: MessageLog;
  /** Resolves when nothing of the store reaches the log any more. */
  interrupt(): Promise<void>;
  /** Restores the connection. */
  restore(): Promise<void>;
  /** Ends the connection, after the log is closed. */
  release(): Promise<void>;
}

/** A log for one channel, by default that of the current test. */
export interface ContractLog {
  /** The same log for another channel. */
  on(channel: string): ContractLog;
  append(record: string, id?: string, publisher?: string, source?: string): Promise<Appended>;
  end(): Promise<LogPosition>;
  read(from: LogPosition, maxBytes?: number): Promise<LogPage>;
  subscribe(reader: LogReader): () => void;
  close(): Promise<void>;
}

/** Retained entries, which were read in pages. */
export interface RetainedEntries {
  readonly epoch: string;
  /** Offset of the first entry. */
  readonly from: number;
  /** Offset of the entry after the last one. */
  readonly end: number;
  readonly records: readonly string[];
}

/** The logs of a test. They are closed after it. */
export class ContractLogs {
  readonly driver: LogDriver;
  #opened: ContractLog[] = [];
  channel = "";

  /** Registers the hooks of the suite. @param driver can have entries of other channels. */
  constructor(driver: LogDriver) {
    this.driver = driver;
    beforeEach(async () => {
      this.channel = `channel-${randomUUID()}`;
      await this.open();
    });
    afterEach(async () => {
      await Promise.all(this.#opened.splice(0).map((log) => log.close()));
    });
  }

  /** The first log of the test. */
  get log(): ContractLog {
    return this.#opened[0] ?? assert.fail("There is no log before the first test.");
  }

  readonly open = (retention: Partial<Retention> = {}): Promise<ContractLog> =>
    this.openWith(() => ({ ...RETENTION, ...retention }));

  /** @param retentionOf limits that differ from the usual ones. */
  readonly openWith = async (retentionOf: (channel: string) => Partial<Retention>): Promise<ContractLog> => {
    const log = await this.driver.open((channel) => ({ ...RETENTION, ...retentionOf(channel) }));
    return this.add(log);
  };

  /** Adds a log that is closed after the test. */
  readonly add = (log: MessageLog): ContractLog => {
    const added = this.#wrap(log);
    this.#opened.push(added);
    return added;
  };

  /** Subscribes a reader. Resolves with its start. */
  readonly follow = async (of = this.log): Promise<LogRecorder> => {
    const reader = new LogRecorder();
    reader.stop = of.subscribe(reader);
    await reader.begun();
    return reader;
  };

  /** Reads the retained entries in pages up to the end. */
  readonly retained = async (of = this.log): Promise<RetainedEntries> => {
    const entries: LogEntry[] = [];
    // No log has this epoch.
    let page = await of.read({ epoch: "", next: 1 });
    const { epoch } = page.from;
    for (;;) {
      // Entries can be dropped meanwhile.
      if (page.from.next !== (entries.at(-1)?.offset ?? 0) + 1) entries.length = 0;
      entries.push(...page.entries);
      const next = page.from.next + page.entries.length;
      if (page.entries.length === 0) {
        const from = next - entries.length;
        checkOffsets(entries, from);
        return { epoch, from, end: next, records: entries.map(({ record }) => record) };
      }
      page = await of.read({ epoch, next });
      assert.equal(page.from.epoch, epoch);
    }
  };

  readonly appendAll = (records: readonly string[], to = this.log): Promise<unknown> =>
    Promise.all(records.map((record) => to.append(record)));

  #wrap(log: MessageLog, channel?: string): ContractLog {
    const name = (): string => channel ?? this.channel;
    return {
      on: (other) => this.#wrap(log, other),
      append: async (record, id, publisher, source) =>
        log.append({ channel: name(), record, id, publisher, source }),
      end: () => log.end(name()),
      read: (from, maxBytes = PAGE_BYTES) => log.read(name(), from, maxBytes),
      subscribe: (reader) => subscribeTo(log, name(), reader),
      close: () => log.close(),
    };
  }
}

/** Checks that the entries are consecutive from an offset on. */
export function checkOffsets(entries: readonly LogEntry[], from: number): void {
  for (const [n, { offset }] of entries.entries()) assert.equal(offset, from + n);
}
