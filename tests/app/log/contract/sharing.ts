/* eslint-disable mocha/no-exports -- a part of the suite that runs once per driver. */
import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";

import { IdInUseError, type LogEntry } from "../../../../app/src/log/log.ts";
import { waitUntil } from "../../../support/waitUntil.ts";
import { LogRecorder } from "../logRecorder.ts";
import type { ContractLog, ContractLogs } from "./contractLogs.ts";

export function describeSharing(logs: ContractLogs): void {
  const { open, follow, retained, appendAll } = logs;
  let log: ContractLog;

  beforeEach(() => {
    ({ log } = logs);
  });

  describe("several tasks", () => {
    let other: ContractLog;

    beforeEach(async () => {
      other = await open();
    });

    it("share the log", async () => {
      const first = await log.append("here");
      const reader = await follow(other);
      assert.deepEqual([reader.epoch, reader.from], [first.epoch, 2]);
      assert.deepEqual(await other.append("there"), { ...first, offset: 2 });
      await reader.length(1);
      assert.deepEqual(reader.records, ["there"]);
      assert.deepEqual((await retained(other)).records, ["here", "there"]);
      assert.deepEqual(await log.end(), { epoch: first.epoch, next: 3 });
    });

    it("open a channel once at the same time", async () => {
      const third = await open();
      const answers = await Promise.all([log, other, third].map((each) => each.append("x")));
      assert.equal(new Set(answers.map(({ epoch }) => epoch)).size, 1);
      assert.deepEqual(answers.map(({ offset }) => offset).sort(), [1, 2, 3]);
    });

    it("continue the offsets after every entry has expired", async () => {
      const retention = { retainedSeconds: 0.2 };
      const small = await open(retention);
      const live = await follow(small);
      const { epoch } = await small.append("old");
      await live.length(1);
      await waitUntil(async () => (await retained(small)).records.length === 0);
      const late = await open(retention);
      assert.deepEqual(await late.end(), { epoch, next: 2 });
      assert.deepEqual(await late.append("new"), {
        epoch,
        offset: 2,
        duplicate: false,
      });
    });

    describe("large deliveries", () => {
      const retainedBytes = 64 * 1024;
      const records = Array.from({ length: 500 }, (_, n) => String(n).padStart(1024));

      class TurnRecorder extends LogRecorder {
        /** Maximum number of bytes in one turn. */
        maxBytes = 0;
        /** Called in the turn after each delivery. */
        onTurn: () => void = () => undefined;
        #bytes = 0;

        override entries(entries: readonly LogEntry[]): void {
          if (this.#bytes === 0) {
            setImmediate(() => {
              this.#bytes = 0;
              this.onTurn();
            });
          }
          for (const { record } of entries) this.#bytes += Buffer.byteLength(record);
          this.maxBytes = Math.max(this.maxBytes, this.#bytes);
          super.entries(entries);
        }
      }

      let reading: ContractLog;
      let reader: TurnRecorder;

      beforeEach(async () => {
        reading = await open({ retainedBytes });
        reader = new TurnRecorder();
        reader.stop = reading.subscribe(reader);
        await reader.begun();
      });

      it("are divided among turns of the event loop", async () => {
        await appendAll(records, other);
        await reader.length(records.length);
        assert.deepEqual(reader.records, records);
        assert.equal(reader.starts, 1);
        assert.ok(reader.maxBytes <= retainedBytes / 4, `${reader.maxBytes} bytes in one turn`);
      });

      it("continue while subscriptions begin and end between them", async () => {
        const going = await follow(reading);
        const coming = new LogRecorder();
        let seen: number | undefined;
        reader.onTurn = () => {
          if (seen !== undefined) return;
          going.stop();
          seen = going.records.length;
          coming.stop = reading.subscribe(coming);
        };
        await appendAll(records, other);
        await reader.length(records.length);
        assert.deepEqual([reader.records, reader.starts], [records, 1]);
        await coming.begun();
        await other.append("last");
        await coming.until(() => coming.records.at(-1) === "last");
        assert.deepEqual(coming.records, [...records.slice(coming.from - 1), "last"]);
        assert.ok(seen !== undefined && seen > 0 && seen < records.length);
        assert.equal(going.records.length, seen);
      });

      it("end when the log is closed between them", async () => {
        const closed = new Promise<number>((resolve) => {
          reader.onTurn = () => {
            const seen = reader.records.length;
            reader.onTurn = () => undefined;
            void reading.close().then(() => {
              resolve(seen);
            });
          };
        });
        await appendAll(records, other);
        const seen = await closed;
        assert.equal(reader.records.length, seen);
        assert.ok(seen < records.length);
      });
    });

    it("read the entries in one order", async () => {
      const readers = [await follow(log), await follow(other)];
      const count = 500;
      const append = async (to: ContractLog, name: string): Promise<void> => {
        for (let n = 0; n < count; n++) {
          void to.append(`${name}${n}`, n % 5 === 0 ? `${name}${n}` : undefined);
          if (n % 20 === 0) await nextTurn();
        }
      };
      await Promise.all([append(log, "a"), append(other, "b")]);
      for (const reader of readers) await reader.length(2 * count);
      assert.deepEqual(readers[0]?.records, readers[1]?.records);
      for (const name of ["a", "b"]) {
        assert.deepEqual(
          readers[0]?.records.filter((record) => record.startsWith(name)),
          Array.from({ length: count }, (_, n) => `${name}${n}`),
        );
      }
    });

    it("read the entries of many channels in one order each", async () => {
      const [channels, count] = [100, 20];
      const names = Array.from({ length: channels }, (_, n) => `${n}-${logs.channel}`);
      const readers = await Promise.all(
        names.map((name) => Promise.all([log, other].map((each) => follow(each.on(name))))),
      );
      for (let n = 0; n < count; n++) {
        for (const name of names) {
          for (const [task, to] of [log, other].entries()) void to.on(name).append(`${task} ${n}`);
        }
        await nextTurn();
      }
      for (const [n, [one, two]] of readers.entries()) {
        assert.ok(one !== undefined && two !== undefined);
        await Promise.all([one.length(2 * count), two.length(2 * count)]);
        assert.deepEqual(one.records, two.records);
        assert.deepEqual((await retained(other.on(String(names[n])))).records, one.records);
        for (const task of [0, 1]) {
          assert.deepEqual(
            one.records.filter((record) => record.startsWith(`${task} `)),
            Array.from({ length: count }, (_, number) => `${task} ${number}`),
          );
        }
      }
    });

    it("have the entries of all tasks in their pages, ends and starts", async () => {
      for (let n = 1; n <= 20; n++) {
        const { epoch, offset } = await (n % 2 === 0 ? log : other).append(String(n));
        const reading = n % 2 === 0 ? other : log;
        const page = await reading.read({ epoch, next: offset });
        assert.deepEqual(page.entries, [{ offset: n, record: String(n) }]);
        assert.deepEqual(await reading.end(), { epoch, next: n + 1 });
        const reader = await follow(reading);
        assert.deepEqual([reader.epoch, reader.from], [epoch, n + 1]);
        reader.stop();
      }
    });

    it("append an id once", async () => {
      const ids = Array.from({ length: 50 }, (_, n) => `id-${n}`);
      const answers = await Promise.all(
        ids.map((id) => Promise.all([log.append(id, id), other.append(id, id)])),
      );
      for (const [one, two] of answers) {
        assert.equal(one.offset, two.offset);
        assert.notEqual(one.duplicate, two.duplicate);
      }
      assert.deepEqual([...(await retained()).records].sort(), ids.sort());
    });

    it("reject an id that another task has used for another record", async () => {
      const answers = await Promise.allSettled([log.append("one", "id"), other.append("two", "id")]);
      const stored = answers.filter(({ status }) => status === "fulfilled");
      assert.equal(stored.length, 1);
      for (const answer of answers) {
        if (answer.status === "rejected")
          assert.ok(answer.reason instanceof IdInUseError, String(answer.reason));
      }
      assert.equal((await retained()).records.length, 1);
    });
  });
}
