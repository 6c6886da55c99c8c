/* eslint-disable mocha/no-exports -- a part of the suite that runs once per driver. */
import assert from "node:assert/strict";

import type { LogEntry, LogPage } from "../../../../app/src/log/log.ts";
import { checkOffsets, type ContractLog, type ContractLogs } from "./contractLogs.ts";

export function describeReading(logs: ContractLogs): void {
  const { open, retained, appendAll } = logs;
  let log: ContractLog;

  beforeEach(() => {
    ({ log } = logs);
  });

  describe("reading a page", () => {
    const recordsOf = ({ entries }: LogPage): readonly string[] => entries.map(({ record }) => record);
    const bytesOf = (page: LogPage): number => Buffer.byteLength(recordsOf(page).join(""));

    it("returns the entries from a position on, and the end", async () => {
      await appendAll(["1", "2", "3"]);
      const { epoch } = await log.end();
      for (const next of [1, 2, 3, 4]) {
        const page = await log.read({ epoch, next });
        assert.deepEqual(page, {
          from: { epoch, next },
          entries: ["1", "2", "3"].slice(next - 1).map((record, n) => ({ offset: next + n, record })),
        });
      }
    });

    it("returns the end of the channel beyond it, and for a channel without entries", async () => {
      const { epoch } = await log.end();
      for (const next of [1, 2, 7, Number.MAX_SAFE_INTEGER]) {
        assert.deepEqual(await log.read({ epoch, next }), { from: { epoch, next: 1 }, entries: [] });
      }
      await log.append("1");
      for (const next of [2, 3, Number.MAX_SAFE_INTEGER]) {
        assert.deepEqual(await log.read({ epoch, next }), { from: { epoch, next: 2 }, entries: [] });
      }
    });

    it("returns the start of a channel that was not used before", async () => {
      const page = await log.read({ epoch: "", next: 5 });
      assert.deepEqual([page.from.next, page.entries], [1, []]);
      assert.deepEqual(await log.end(), page.from);
      assert.equal((await log.append("1")).epoch, page.from.epoch);
    });

    it("returns the oldest retained entries for a position in another epoch", async () => {
      await appendAll(["1", "2"]);
      const { epoch } = await log.end();
      for (const other of ["", "0", "9".repeat(100), "-", "+", "no epoch\r\n\u0000 €", `${epoch}0`]) {
        for (const next of [1, 2, 3, Number.MAX_SAFE_INTEGER]) {
          const page = await log.read({ epoch: other, next });
          assert.deepEqual([page.from, recordsOf(page)], [{ epoch, next: 1 }, ["1", "2"]], other);
        }
      }
    });

    it("returns the oldest retained entries for a position before them", async () => {
      const small = await open({ retainedMessages: 300 });
      const records = Array.from({ length: 1000 }, (_, n) => String(n + 1));
      await appendAll(records, small);
      const { epoch } = await small.end();
      const oldest = await small.read({ epoch, next: 1 });
      assert.ok(oldest.from.next > 1 && oldest.from.next <= 701, `from ${oldest.from.next}`);
      assert.equal(oldest.from.epoch, epoch);
      assert.deepEqual(recordsOf(oldest), records.slice(oldest.from.next - 1));
      assert.deepEqual(await small.read({ epoch, next: oldest.from.next - 1 }), oldest);
      assert.deepEqual(await small.read(oldest.from), oldest);
    });

    it("returns at most the bytes, but at least one entry", async () => {
      await appendAll(["a".repeat(600), "b".repeat(600), "c"]);
      const { epoch } = await log.end();
      const lengthsFrom = async (next: number, maxBytes: number): Promise<readonly number[]> =>
        recordsOf(await log.read({ epoch, next }, maxBytes)).map(({ length }) => length);
      for (const maxBytes of [1, 599, 600, 1199]) assert.deepEqual(await lengthsFrom(1, maxBytes), [600]);
      assert.deepEqual(await lengthsFrom(1, 1200), [600, 600]);
      assert.deepEqual(await lengthsFrom(2, 1200), [600, 1]);
      assert.deepEqual(await lengthsFrom(3, 1), [1]);
    });

    it("measures the bytes in UTF-8", async () => {
      await appendAll(["€".repeat(100), "€".repeat(100), "€"]);
      const { epoch } = await log.end();
      assert.equal((await log.read({ epoch, next: 1 }, 599)).entries.length, 1);
      assert.equal((await log.read({ epoch, next: 1 }, 602)).entries.length, 2);
      assert.equal((await log.read({ epoch, next: 1 }, 603)).entries.length, 3);
    });

    for (const [name, count, bytes, maxBytes] of [
      ["many small", 5000, 12, 4096],
      ["few large", 12, 50_000, 64 * 1024],
    ] as const) {
      it(`returns ${name} entries in consecutive pages`, async () => {
        const records = Array.from({ length: count }, (_, n) => String(n).padStart(bytes));
        await appendAll(records);
        const { epoch } = await log.end();
        const read: LogEntry[] = [];
        while (read.length < count) {
          const page = await log.read({ epoch, next: read.length + 1 }, maxBytes);
          assert.deepEqual(page.from, { epoch, next: read.length + 1 });
          assert.ok(page.entries.length > 0, "an empty page before the end");
          assert.ok(page.entries.length === 1 || bytesOf(page) <= maxBytes, `${bytesOf(page)} bytes`);
          read.push(...page.entries);
        }
        checkOffsets(read, 1);
        assert.deepEqual(
          read.map(({ record }) => record),
          records,
        );
      });
    }

    it("includes every entry whose append had a result before", async () => {
      for (let n = 1; n <= 20; n++) {
        const { epoch, offset } = await log.append(String(n));
        const page = await log.read({ epoch, next: offset });
        assert.deepEqual(recordsOf(page), [String(n)]);
      }
    });

    it("returns complete pages during appends", async () => {
      const records = Array.from({ length: 1000 }, (_, n) => String(n));
      const appending = appendAll(records);
      let page: LogPage;
      do {
        page = await log.read({ epoch: "", next: 1 });
        checkOffsets(page.entries, 1);
        assert.ok(page.from.next === 1);
      } while (page.entries.length < records.length);
      await appending;
      assert.deepEqual((await retained()).records, records);
    });
  });
}
