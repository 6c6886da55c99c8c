/* eslint-disable mocha/no-exports -- a part of the suite that runs once per driver. */
import assert from "node:assert/strict";

import { waitUntil } from "../../../support/waitUntil.ts";
import type { ContractLogs } from "./contractLogs.ts";

/** Valkey drops entries by whole nodes of a stream, with at most this number of entries. */
const NODE_ENTRIES = 100;

export function describeRetaining(logs: ContractLogs): void {
  const { open, openWith, follow, retained, appendAll } = logs;

  describe("retaining", () => {
    it("retains entries up to the number", async () => {
      const small = await open({ retainedMessages: 300 });
      const records = Array.from({ length: 1000 }, (_, n) => String(n + 1));
      await appendAll(records, small);
      const { from, records: kept } = await retained(small);
      assert.ok(from > 1000 - 2 * 300 - NODE_ENTRIES && from <= 701, `from ${from}`);
      assert.deepEqual(kept, records.slice(from - 1));
    });

    it("retains entries up to the size", async () => {
      const small = await open({ retainedBytes: 64 * 1024 });
      const live = await follow(small);
      const records = Array.from({ length: 64 }, (_, n) => String(n + 1).padStart(8 * 1024, " "));
      for (const record of records) await small.append(record);
      await live.length(records.length);
      const { from, records: kept } = await retained(small);
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
      const { records: kept } = await retained(small);
      assert.ok(kept.length >= 8 && kept.length <= 17, `${kept.length} kept`);
    });

    it("retains entries up to the age, and continues the offsets", async () => {
      const retainedSeconds = 0.2;
      const small = await open({ retainedSeconds });
      const live = await follow(small);
      const { epoch } = await small.append("old");
      await live.length(1);
      await waitUntil(async () => (await retained(small)).records.length === 0);
      assert.deepEqual(await small.read({ epoch, next: 1 }), {
        from: { epoch, next: 2 },
        entries: [],
      });
      assert.deepEqual(await small.append("new"), { epoch, offset: 2, duplicate: false });
      await live.length(2);
      const { from, records } = await retained(small);
      // The new entry can have expired, too.
      assert.deepEqual(records, from === 2 ? ["new"] : []);
      assert.equal(live.starts, 1);
    });

    it("retains what the limits of each channel allow", async () => {
      const [few, short] = [`few-${logs.channel}`, `short-${logs.channel}`];
      const log = await openWith((channel) => {
        if (channel === few) return { retainedMessages: 300 };
        return channel === short ? { retainedBytes: 64 * 1024 } : {};
      });
      const live = await follow(log.on(short));
      const [small, large] = [1000, 64];
      const record = "x".repeat(8 * 1024);
      await Promise.all([log, log.on(few)].map((to) => appendAll(Array.from({ length: small }, String), to)));
      for (let n = 0; n < large; n++) await Promise.all([log, log.on(short)].map((to) => to.append(record)));
      await live.length(large);
      const kept = await Promise.all([log, log.on(few), log.on(short)].map((each) => retained(each)));
      const [all = 0, byNumber = 0, bySize = 0] = kept.map(({ records }) => records.length);
      assert.equal(all, small + large);
      assert.ok(byNumber >= 300 && byNumber <= 2 * 300 + NODE_ENTRIES, `${byNumber} by number`);
      assert.ok(bySize >= 8 && bySize <= 17, `${bySize} by size`);
    });

    it("retains the entries of each channel for its own time", async () => {
      const brief = `brief-${logs.channel}`;
      const log = await openWith((channel) => (channel === brief ? { retainedSeconds: 0.2 } : {}));
      const readers = await Promise.all([follow(log), follow(log.on(brief))]);
      await Promise.all([log.append("x"), log.on(brief).append("x")]);
      await waitUntil(async () => (await retained(log.on(brief))).records.length === 0);
      assert.deepEqual((await retained(log)).records, ["x"]);
      for (const reader of readers) assert.equal(reader.starts, 1);
    });

    it("compares the ids of as many entries as each channel retains", async () => {
      const few = `few-${logs.channel}`;
      const log = await openWith((channel) => (channel === few ? { retainedMessages: 20 } : {}));
      const isKnown = async (channel: string): Promise<boolean> => {
        const to = log.on(channel);
        await to.append("first", "first");
        for (let n = 0; n < 100; n++) void to.append("x", `id-${n}`);
        return (await to.append("first", "first")).duplicate;
      };
      assert.deepEqual(await Promise.all([isKnown(few), isKnown(logs.channel)]), [false, true]);
    });
  });
}
