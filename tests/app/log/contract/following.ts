/* eslint-disable mocha/no-exports -- a part of the suite that runs once per driver. */
import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";

import type { LogEntry, LogReader } from "../../../../app/src/log/log.ts";
import { LogRecorder } from "../logRecorder.ts";
import type { ContractLog, ContractLogs } from "./contractLogs.ts";

export function describeFollowing(logs: ContractLogs): void {
  const { follow, retained, appendAll } = logs;
  let log: ContractLog;

  beforeEach(() => {
    ({ log } = logs);
  });

  describe("following", () => {
    it("begins at the end of a channel, and delivers only later entries", async () => {
      const first = await follow();
      assert.deepEqual({ epoch: first.epoch, next: first.from }, await log.end());
      await appendAll(["1", "2"]);
      const second = await follow();
      assert.deepEqual({ epoch: second.epoch, next: second.from }, await log.end());
      assert.deepEqual([first.from, second.from], [1, 3]);
      await log.append("3");
      await Promise.all([first.length(3), second.length(1)]);
      assert.deepEqual([first.records, second.records], [["1", "2", "3"], ["3"]]);
      assert.deepEqual([first.starts, second.starts], [1, 1]);
    });

    it("begins after every entry whose append had a result before", async () => {
      for (let n = 1; n <= 20; n++) {
        const { epoch } = await log.append("x");
        const reader = await follow();
        assert.deepEqual([reader.epoch, reader.from], [epoch, n + 1]);
        reader.stop();
      }
    });

    it("delivers each entry after its start, also if it is appended at the same time", async () => {
      const readers: LogRecorder[] = [];
      for (let n = 0; n < 50; n++) {
        const reader = new LogRecorder();
        void log.append(String(2 * n));
        reader.stop = log.subscribe(reader);
        void log.append(String(2 * n + 1));
        readers.push(reader);
        if (n % 3 === 0) await nextTurn();
      }
      await log.append("last");
      const { records } = await retained();
      assert.equal(records.length, 101);
      for (const reader of readers) {
        await reader.begun();
        await reader.length(102 - reader.from);
        assert.deepEqual(reader.records, records.slice(reader.from - 1));
      }
    });

    it("continues from pages to new entries without a gap", async () => {
      const total = 2000;
      let count = 0;
      const appending = (async () => {
        while (count < total) {
          for (let n = 0; n < 50; n++) void log.append(String(count++));
          await nextTurn();
        }
        await log.end();
      })();
      const readers: { readonly live: LogRecorder; readonly before: readonly string[] }[] = [];
      while (count < total) {
        const live = await follow();
        const { from, end, records } = await retained();
        assert.ok(
          from === 1 && end >= live.from,
          `pages from ${from} to ${end}, new entries from ${live.from}`,
        );
        readers.push({ live, before: records.slice(0, live.from - 1) });
        await nextTurn();
      }
      await appending;
      const expected = Array.from({ length: count }, (_, n) => String(n));
      for (const { live, before } of readers) {
        await live.length(count - before.length);
        assert.deepEqual([...before, ...live.records], expected);
        assert.equal(live.starts, 1);
      }
    });

    it("delivers every entry once while other subscriptions begin and end", async () => {
      const total = 1500;
      const lasting = await follow();
      let sent = 0;
      for (let turn = 0; sent < total; turn++) {
        for (let n = 0; n < 30; n++) void log.append(String(sent++));
        const passing = new LogRecorder();
        passing.stop = log.subscribe(passing);
        if (turn % 2 === 0) await passing.begun();
        passing.stop();
        await nextTurn();
      }
      await lasting.length(total);
      assert.deepEqual(
        lasting.records,
        Array.from({ length: total }, (_, n) => String(n)),
      );
      assert.equal(lasting.starts, 1);
    });

    it("begins again after the last subscription has ended", async () => {
      const first = await follow();
      await log.append("1");
      await first.length(1);
      first.stop();
      await log.append("2");
      const second = await follow();
      await log.append("3");
      await second.length(1);
      assert.deepEqual([second.epoch, second.from, second.records], [first.epoch, 3, ["3"]]);
      assert.deepEqual(first.records, ["1"]);
    });

    it("ends with its undo, which is idempotent", async () => {
      const stopped = await follow();
      const other = await follow();
      await log.append("first");
      await Promise.all([stopped.length(1), other.length(1)]);
      stopped.stop();
      stopped.stop();
      await log.append("second");
      await other.length(2);
      assert.deepEqual(stopped.records, ["first"]);
    });

    it("ends with its undo before the first delivery", async () => {
      const stopped = new LogRecorder();
      log.subscribe(stopped)();
      const { starts } = stopped;
      const other = await follow();
      await log.append("first");
      await other.length(1);
      assert.deepEqual([stopped.starts, stopped.records], [starts, []]);
    });

    it("calls one of several readers of a channel no more than the others", async () => {
      const readers = await Promise.all(Array.from({ length: 20 }, () => follow()));
      await appendAll(["1", "2", "3"]);
      await Promise.all(readers.map((reader) => reader.length(3)));
      for (const reader of readers) assert.deepEqual([reader.starts, reader.records], [1, ["1", "2", "3"]]);
    });

    it("keeps the objects that a reader has received", async () => {
      const received: LogEntry[] = [];
      const done = Promise.withResolvers<undefined>();
      const reader: LogReader = {
        started: () => undefined,
        entries(entries) {
          received.push(...entries);
          if (received.length === 200) done.resolve(undefined);
        },
      };
      const stop = log.subscribe(reader);
      await follow();
      const records = Array.from({ length: 200 }, (_, n) => `${n} €`);
      await appendAll(records);
      await done.promise;
      stop();
      assert.deepEqual(
        received.map(({ record }) => record),
        records,
      );
    });
  });
}
