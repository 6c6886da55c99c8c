/* eslint-disable mocha/no-exports -- a part of the suite that runs once per driver. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";

import { IdInUseError } from "../../../../app/src/log/log.ts";
import type { ContractLog, ContractLogs } from "./contractLogs.ts";

export function describeAppending(logs: ContractLogs): void {
  const { open, follow, retained, appendAll } = logs;
  let log: ContractLog;

  beforeEach(() => {
    ({ log } = logs);
  });

  describe("appending", () => {
    it("returns consecutive offsets from 1 in one epoch, in the order of the calls", async () => {
      const appended = await Promise.all(["a", "b", "c", "d"].map((record) => log.append(record)));
      const { epoch } = await log.end();
      assert.deepEqual(
        appended,
        [1, 2, 3, 4].map((offset) => ({ epoch, offset, duplicate: false })),
      );
      assert.deepEqual((await retained()).records, ["a", "b", "c", "d"]);
    });

    it("keeps the order of the calls with and without ids", async () => {
      const records = Array.from({ length: 300 }, (_, n) => String(n));
      for (const [n, record] of records.entries()) {
        void log.append(record, n % 3 === 1 ? `id-${n}` : undefined);
        if (n % 50 === 0) await nextTurn();
      }
      await log.append("last");
      assert.deepEqual((await retained()).records, [...records, "last"]);
    });

    it("counts the offsets of each channel separately", async () => {
      const reader = await follow();
      const other = `other-${randomUUID()}`;
      assert.equal((await log.on(other).append("elsewhere")).offset, 1);
      assert.equal((await log.append("here")).offset, 1);
      await reader.length(1);
      assert.deepEqual(reader.records, ["here"]);
    });

    it("stores any text without line breaks unchanged", async () => {
      const records = ["", "\u0000\t \u2028", "é €\u{1f600}", '"quoted"', "x".repeat(300_000)];
      const reader = await follow();
      await appendAll(records);
      await reader.length(records.length);
      assert.deepEqual(reader.records, records);
      assert.deepEqual((await retained()).records, records);
    });

    it("accepts any channel name", async () => {
      for (logs.channel of ["", `a:b {c}\r\n${randomUUID()}`, `\u{1f600}${randomUUID()}`]) {
        const { offset } = await log.append("named");
        const reader = await retained();
        assert.equal(reader.records.at(-1), "named");
        assert.equal(reader.end, offset + 1);
      }
    });
  });

  describe("appending by id", () => {
    it("appends an id once, and returns the first position for a repetition", async () => {
      const { epoch } = await log.end();
      assert.deepEqual(await log.append("once", "id"), {
        epoch,
        offset: 1,
        duplicate: false,
      });
      assert.deepEqual(await log.append("once", "id"), {
        epoch,
        offset: 1,
        duplicate: true,
      });
      assert.deepEqual(await log.append("other", "id2"), {
        epoch,
        offset: 2,
        duplicate: false,
      });
      assert.deepEqual((await retained()).records, ["once", "other"]);
    });

    it("appends an id once if it is repeated before the result", async () => {
      const answers = await Promise.all([1, 2, 3].map(() => log.append("once", "id")));
      assert.deepEqual(
        answers.map(({ offset, duplicate }) => [offset, duplicate]),
        [
          [1, false],
          [1, true],
          [1, true],
        ],
      );
    });

    it("compares ids within a channel", async () => {
      await log.append("here", "id");
      const { duplicate } = await log.on(`other-${randomUUID()}`).append("there", "id");
      assert.equal(duplicate, false);
    });

    it("rejects another record with the same id, and appends nothing", async () => {
      await log.append("mine", "id");
      const answers = await Promise.allSettled([
        log.append("before"),
        log.append("another", "id"),
        log.append("after"),
      ]);
      assert.deepEqual(
        answers.map((answer) =>
          answer.status === "rejected" ? answer.reason instanceof IdInUseError : answer.value.offset,
        ),
        [2, true, 3],
      );
      assert.equal((await log.append("mine", "id")).duplicate, true);
      assert.deepEqual((await retained()).records, ["mine", "before", "after"]);
    });

    it("compares the sources of records with the same id", async () => {
      assert.equal((await log.append("made at 1", "id", undefined, "source")).duplicate, false);
      assert.equal((await log.append("made at 2", "id", undefined, "source")).offset, 1);
      await assert.rejects(log.append("made at 1", "id", undefined, "other source"), IdInUseError);
      assert.deepEqual((await retained()).records, ["made at 1"]);
    });

    it("compares ids within a publisher", async () => {
      // The same characters, divided differently.
      const owners = [
        ["id", "a"],
        ["id", "ab"],
        ["bid", "a"],
        ["id", undefined],
        ["1:aid", undefined],
      ] as const;
      for (const [index, [id, publisher]] of owners.entries()) {
        const record = `of ${publisher ?? "no publisher"}`;
        assert.equal((await log.append(record, id, publisher)).offset, index + 1);
        assert.equal((await log.append(record, id, publisher)).offset, index + 1);
      }
    });

    it("accepts any text as an id", async () => {
      for (const [index, id] of ["", "=", ":", "é\u0000 \r\n", "x".repeat(128)].entries()) {
        assert.equal((await log.append("once", id)).offset, index + 1);
        assert.equal((await log.append("once", id)).offset, index + 1);
      }
    });

    it("keeps the ids of as many entries as it retains, including entries without an id", async () => {
      const retainedMessages = 100;
      const small = await open({ retainedMessages });
      const append = async (count: number, prefix?: string): Promise<void> => {
        for (let n = 0; n < count; n++) {
          void small.append("x", prefix === undefined ? undefined : `${prefix}${n}`);
        }
        await small.end();
      };
      await append(37);
      const first = await small.append("once", "id");
      await append(retainedMessages / 2);
      await append(retainedMessages / 2 - 1, "other");
      assert.deepEqual(await small.append("once", "id"), {
        ...first,
        duplicate: true,
      });
    });
  });

  describe("appending by id at every offset", () => {
    it("keeps each of the newest ids", async () => {
      const retainedMessages = 20;
      const small = await open({ retainedMessages });
      for (let offset = 1; offset <= 3 * retainedMessages; offset++) {
        const { epoch } = await small.append("x", `id-${offset}`);
        for (const back of [0, 1, retainedMessages / 2, retainedMessages - 1]) {
          const earlier = Math.max(1, offset - back);
          const appended = await small.append("x", `id-${earlier}`);
          assert.deepEqual(appended, { epoch, offset: earlier, duplicate: true }, `${back} before ${offset}`);
        }
      }
    });
  });

  describe("the end of a channel", () => {
    it("is at offset 1 without entries, in the epoch of the first entry", async () => {
      const { epoch, next } = await log.end();
      assert.equal(next, 1);
      assert.equal((await log.append("first")).epoch, epoch);
    });

    it("is after every entry", async () => {
      for (const offset of [1, 2, 3]) {
        const { epoch } = await log.append("x");
        const ends = await Promise.all([log.end(), log.end()]);
        for (const end of ends) assert.deepEqual(end, { epoch, next: offset + 1 });
      }
    });
  });
}
