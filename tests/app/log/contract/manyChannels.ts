/* eslint-disable mocha/no-exports -- a part of the suite that runs once per driver. */
import assert from "node:assert/strict";

import { LogRecorder } from "../logRecorder.ts";
import type { ContractLog, ContractLogs } from "./contractLogs.ts";

/** As many as the clients of a task may open within a second. */
const CHANNELS = 2000;

/** An idle machine needs a tenth of it. */
const TIMEOUT_MS = 60_000;

export function describeManyChannels(logs: ContractLogs): void {
  const { open } = logs;
  const { shared, maxChannels = CHANNELS } = logs.driver;

  describe(`${maxChannels} channels`, function () {
    this.timeout(TIMEOUT_MS);
    let log: ContractLog;
    let names: readonly string[];

    beforeEach(() => {
      ({ log } = logs);
      names = Array.from({ length: maxChannels }, (_, n) => `${n}-${logs.channel}`);
    });

    /** Subscribes to all channels in one turn. */
    const followAll = async (of = log): Promise<readonly LogRecorder[]> => {
      const readers = names.map((name) => {
        const reader = new LogRecorder();
        reader.stop = of.on(name).subscribe(reader);
        return reader;
      });
      await Promise.all(readers.map((reader) => reader.begun()));
      return readers;
    };

    it("begin, deliver and end at once", async () => {
      const writer = shared ? await open() : log;
      const readers = await followAll();
      const appended = await Promise.all(names.map((name) => writer.on(name).append(name)));
      await Promise.all(readers.map((reader) => reader.length(1)));
      for (const [n, reader] of readers.entries()) {
        assert.deepEqual(
          [reader.epoch, reader.from, reader.starts, reader.records],
          [appended[n]?.epoch, 1, 1, [names[n]]],
        );
      }
      const left = readers.slice(0, maxChannels / 2);
      for (const reader of left) reader.stop();
      await Promise.all(names.map((name) => writer.on(name).append("second")));
      await Promise.all(readers.slice(maxChannels / 2).map((reader) => reader.length(2)));
      for (const reader of left) assert.equal(reader.records.length, 1);
    });

    it("have ends, pages and ids of their own", async () => {
      const appended = await Promise.all(names.map((name) => log.on(name).append(name, "id")));
      const again = await Promise.all(names.map((name) => log.on(name).append(name, "id")));
      const ends = await Promise.all(names.map((name) => log.on(name).end()));
      const pages = await Promise.all(
        appended.map(({ epoch }, n) => log.on(String(names[n])).read({ epoch, next: 1 })),
      );
      for (const [n, { epoch, offset }] of appended.entries()) {
        assert.deepEqual([offset, again[n]], [1, { epoch, offset, duplicate: true }]);
        assert.deepEqual(ends[n], { epoch, next: 2 });
        assert.deepEqual(pages[n], {
          from: { epoch, next: 1 },
          entries: [{ offset: 1, record: names[n] }],
        });
      }
    });

    it("begin again at their ends", async () => {
      const first = await followAll();
      for (const reader of first) reader.stop();
      await Promise.all(names.map((name) => log.on(name).append(name)));
      const second = await followAll();
      await Promise.all(names.map((name) => log.on(name).append("second")));
      await Promise.all(second.map((reader) => reader.length(1)));
      for (const [n, reader] of second.entries()) {
        assert.deepEqual([reader.epoch, reader.from, reader.records], [first[n]?.epoch, 2, ["second"]]);
        assert.deepEqual(first[n]?.records, []);
      }
    });
  });
}
