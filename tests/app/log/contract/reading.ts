/* eslint-disable mocha/no-exports -- a part of the suite that runs once per driver. */
import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";

import type { LogPage } from "../../../../app/src/log/log.ts";
import { waitUntil } from "../../../support/waitUntil.ts";
import { LogRecorder } from "../logRecorder.ts";
import type { ContractLog, ContractLogs } from "./contractLogs.ts";

/** Valkey drops entries by whole nodes of a stream, with at most this number of entries. */
const NODE_ENTRIES = 100;

export function describeReading(logs: ContractLogs): void {
  const { open, follow, retained, appendAll } = logs;
  let log: ContractLog;

  beforeEach(() => {
    ({ log } = logs);
  });

  describe("reading a page", () => {
    const recordsOf = ({ entries }: LogPage): readonly string[] => entries.map(({ record }) => record);

    it("returns the entries from a position on, and the end", async () => {
      await appendAll(["1", "2", "3"]);
      const { epoch } = await log.end();
      for (const next of [1, 2, 3, 4]) {
        const page = await log.read({ epoch, next });
        assert.deepEqual(page, {
          from: { epoch, next },
          entries: ["1", "2", "3"].slice(next - 1).map((record, n) => ({ offset: next + n, record })),
          end: 4,
        });
      }
    });

    it("returns the end of the channel beyond it, and for a channel without entries", async () => {
      const { epoch } = await log.end();
      const empty = await log.read({ epoch, next: 7 });
      assert.deepEqual(empty, { from: { epoch, next: 1 }, entries: [], end: 1 });
      await log.append("1");
      assert.deepEqual(await log.read({ epoch, next: 7 }), { from: { epoch, next: 2 }, entries: [], end: 2 });
    });

    it("returns the oldest retained entries for a position in another epoch", async () => {
      await appendAll(["1", "2"]);
      const { epoch } = await log.end();
      const page = await log.read({ epoch: "0", next: 2 });
      assert.deepEqual([page.from, recordsOf(page)], [{ epoch, next: 1 }, ["1", "2"]]);
    });

    it("returns the oldest retained entries for a position before them", async () => {
      const small = await open({ retainedMessages: 300 });
      const records = Array.from({ length: 1000 }, (_, n) => String(n + 1));
      await appendAll(records, small);
      const { epoch } = await small.end();
      const { from, entries, end } = await small.read({ epoch, next: 1 });
      assert.ok(from.next > 1 && from.next <= 701, `from ${from.next}`);
      assert.deepEqual([from.epoch, end, entries[0]?.offset], [epoch, 1001, from.next]);
    });

    it("returns at most the bytes, but at least one entry", async () => {
      await appendAll(["a".repeat(600), "b".repeat(600), "c"]);
      const { epoch } = await log.end();
      const lengthsFrom = async (next: number, maxBytes: number): Promise<readonly number[]> =>
        recordsOf(await log.read({ epoch, next }, maxBytes)).map(({ length }) => length);
      assert.deepEqual(await lengthsFrom(1, 1), [600]);
      assert.deepEqual(await lengthsFrom(1, 1199), [600]);
      assert.deepEqual(await lengthsFrom(1, 1200), [600, 600]);
      assert.deepEqual(await lengthsFrom(2, 1200), [600, 1]);
    });
  });

  describe("following", () => {
    it("begins at the end of the channel", async () => {
      await appendAll(["1", "2"]);
      const reader = new LogRecorder();
      reader.stop = log.subscribe(reader);
      await reader.begun();
      const { epoch } = await log.end();
      assert.deepEqual([reader.epoch, reader.from], [epoch, 3]);
      await log.append("3");
      await reader.length(1);
      assert.deepEqual(reader.records, ["3"]);
    });
  });

  describe("reading", () => {
    it("delivers the retained entries after their start and end", async () => {
      await appendAll(["1", "2", "3"]);
      const reader = await follow();
      const { epoch } = await log.end();
      assert.deepEqual([reader.epoch, reader.from, reader.end], [epoch, 1, 4]);
      await reader.length(3);
      await log.append("4");
      await reader.length(4);
      assert.deepEqual(reader.records, ["1", "2", "3", "4"]);
    });

    it("continues from retained to new entries without a gap", async () => {
      let count = 0;
      const appending = (async () => {
        while (count < 2000) {
          for (let n = 0; n < 50; n++) void log.append(String(count++));
          await nextTurn();
        }
        await log.end();
      })();
      const readers: LogRecorder[] = [];
      while (count < 2000) {
        readers.push(await follow());
        await nextTurn();
      }
      await appending;
      const expected = Array.from({ length: count }, (_, n) => String(n));
      for (const reader of readers) {
        await reader.length(count);
        assert.deepEqual(reader.records, expected);
        assert.equal(reader.starts, 1);
      }
    });

    it("delivers every entry once while other subscriptions begin and end", async () => {
      const total = 1500;
      const lasting = await follow();
      let sent = 0;
      for (let turn = 0; sent < total; turn++) {
        for (let n = 0; n < 30; n++) void log.append(String(sent++));
        const passing = new LogRecorder();
        passing.stop = log.follow(passing);
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
      await log.append("first");
      await retained();
      assert.deepEqual([stopped.starts, stopped.records], [starts, []]);
    });
  });

  describe("retaining", () => {
    it("retains entries up to the number", async () => {
      const small = await open({ retainedMessages: 300 });
      const records = Array.from({ length: 1000 }, (_, n) => String(n + 1));
      await appendAll(records, small);
      const { from, current: kept } = await retained(small);
      assert.ok(from > 1000 - 2 * 300 - NODE_ENTRIES && from <= 701, `from ${from}`);
      assert.deepEqual(kept, records.slice(from - 1));
    });

    it("retains entries up to the size", async () => {
      const small = await open({ retainedBytes: 64 * 1024 });
      const live = await follow(small);
      const records = Array.from({ length: 64 }, (_, n) => String(n + 1).padStart(8 * 1024, " "));
      for (const record of records) await small.append(record);
      await live.length(records.length);
      const { from, current: kept } = await retained(small);
      assert.ok(kept.length >= 8 && kept.length <= 17, `${kept.length} kept`);
      assert.deepEqual(kept, records.slice(from - 1));
      assert.deepEqual(live.records, records);
    });

    it("measures the size in UTF-8", async () => {
      const small = await open({ retainedBytes: 64 * 1024 });
      const live = await follow(small);
      const record = "€".repeat((8 * 1024) / Buffer.byteLength("€"));
      for (let n = 0; n < 64; n++) await small.append(record);
      await live.length(64);
      const { current: kept } = await retained(small);
      assert.ok(kept.length >= 8 && kept.length <= 17, `${kept.length} kept`);
    });

    it("retains entries up to the age, and continues the offsets", async () => {
      const retainedSeconds = 0.2;
      const small = await open({ retainedSeconds });
      const live = await follow(small);
      const { epoch } = await small.append("old");
      await live.length(1);
      await waitUntil(async () => (await retained(small)).current.length === 0);
      assert.deepEqual(await small.append("new"), {
        epoch,
        offset: 2,
        duplicate: false,
      });
      await live.length(2);
      const { from, current } = await retained(small);
      // The new entry can have expired, too.
      assert.deepEqual(current, from === 2 ? ["new"] : []);
      assert.equal(live.starts, 1);
    });
  });
}
