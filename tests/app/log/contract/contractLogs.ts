/* eslint-disable mocha/no-exports -- the fixture of a suite that runs once per driver. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import { followRetained } from "../../../../app/src/channel/followRetained.ts";
import type { RetainedReader } from "../../../../app/src/channel/followRetained.ts";
import type {
  Appended,
  LogPage,
  LogPosition,
  LogReader,
  MessageLog,
  Retention,
} from "../../../../app/src/log/log.ts";
import { LogRecorder } from "../logRecorder.ts";

const RETENTION: Retention = {
  retainedMessages: 10_000,
  retainedBytes: 1024 * 1024,
  retainedSeconds: 300,
};

/** A driver that the contract's suite tests. */
export interface LogDriver {
  /** Opens a log. If `shared`, all logs have the same entries. */
  open(retention: Retention): Promise<MessageLog> | MessageLog;
  /** Whether several tasks can use the log at once. */
  readonly shared: boolean;
}

/** A log for the channel of the current test. */
export interface ContractLog {
  append(record: string, id?: string, publisher?: string): Promise<Appended>;
  appendTo(channel: string, record: string, id?: string): Promise<Appended>;
  end(): Promise<LogPosition>;
  read(from: LogPosition, maxBytes?: number): Promise<LogPage>;
  subscribe(reader: LogReader): () => void;
  /** Delivers the retained entries first. */
  follow(reader: RetainedReader): () => void;
  close(): Promise<void>;
}

/** The logs of a test. They are closed after it. */
export class ContractLogs {
  readonly #driver: LogDriver;
  #opened: ContractLog[] = [];
  channel = "";

  /** Registers the hooks of the suite. @param driver can have entries of other channels. */
  constructor(driver: LogDriver) {
    this.#driver = driver;
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

  readonly open = async (retention: Partial<Retention> = {}): Promise<ContractLog> => {
    const log = await this.#driver.open({ ...RETENTION, ...retention });
    const opened: ContractLog = {
      append: async (record, id, publisher) => log.append({ channel: this.channel, record, id, publisher }),
      appendTo: async (channel, record, id) => log.append({ channel, record, id }),
      end: () => log.end(this.channel),
      read: (from, maxBytes = 64 * 1024) => log.read(this.channel, from, maxBytes),
      subscribe: (reader) => log.subscribe(this.channel, reader),
      follow: (reader) => followRetained(log, this.channel, reader),
      close: () => log.close(),
    };
    this.#opened.push(opened);
    return opened;
  };

  readonly follow = async (of = this.log): Promise<LogRecorder> => {
    const reader = new LogRecorder();
    reader.stop = of.follow(reader);
    await reader.begun();
    return reader;
  };

  /** Returns what a new reader receives. */
  readonly retained = async (of = this.log): Promise<LogRecorder> => {
    const reader = await this.follow(of);
    // It starts again if entries are dropped meanwhile.
    await reader.until(() => reader.current.length === reader.end - reader.from);
    reader.stop();
    return reader;
  };

  readonly appendAll = (records: readonly string[], to = this.log): Promise<unknown> =>
    Promise.all(records.map((record) => to.append(record)));
}
