/** What every driver of the message log must do: the contract of `app/src/log/log.ts`, as tests. */
/* eslint-disable mocha/no-exports -- a suite that runs once per driver, from the test of each. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";

import { IdInUseError } from "../../../app/src/log/log.ts";
import type { Appended, LogEntry, MessageLog, NewMessage } from "../../../app/src/log/log.ts";
import type { Retention } from "../../../app/src/log/retention.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import { LogRecorder } from "./logRecorder.ts";

const RETENTION: Retention = {
  retainedMessages: 10_000,
  retainedBytes: 1024 * 1024,
  retainedSeconds: 300,
};

/** Valkey drops entries by whole nodes of a stream, which hold that many at most. */
const NODE_ENTRIES = 100;

/** A log whose appends all answer by a promise: whether one answers at once makes no difference to these tests. */
type PromisingLog = Omit<MessageLog, "append"> & {
  append(message: NewMessage): Promise<Appended>;
};

export interface LogDriver {
  /** Each call gives a log of its own; the logs share their entries where `shared`. */
  open(retention: Retention): Promise<MessageLog> | MessageLog;
  /** Whether several processes can use the log at once. */
  readonly shared: boolean;
}

/** @param driver may hold entries of other tests' channels. */
export function describeLogContract(name: string, driver: LogDriver): void {
  describe(`the log contract, by the ${name} driver`, () => {
    const opened: PromisingLog[] = [];
    let log: PromisingLog;
    let channel: string;

    const open = async (retention: Partial<Retention> = {}): Promise<PromisingLog> => {
      const another = await driver.open({ ...RETENTION, ...retention });
      const promising: PromisingLog = { ...another, append: async (message) => another.append(message) };
      opened.push(promising);
      return promising;
    };

    beforeEach(async () => {
      log = await open();
      channel = `channel-${randomUUID()}`;
    });

    afterEach(async () => {
      await Promise.all(opened.splice(0).map((each) => each.close()));
    });

    const follow = async (of = log): Promise<LogRecorder> => {
      const reader = new LogRecorder();
      reader.stop = of.subscribe(channel, reader);
      await reader.begun();
      return reader;
    };

    /** What a new reader would be given. */
    const retained = async (of = log): Promise<LogRecorder> => {
      const reader = await follow(of);
      // It may begin again, where entries are dropped in this moment.
      await reader.until(() => reader.current.length === reader.end - reader.from);
      reader.stop();
      return reader;
    };

    const appendAll = (payloads: readonly string[], to = log): Promise<unknown> =>
      Promise.all(payloads.map((payload) => to.append({ channel, payload })));

    describe("appending", () => {
      it("gives consecutive offsets from 1 in one epoch, in the order of the calls", async () => {
        const appended = await Promise.all(
          ["a", "b", "c", "d"].map((payload) => log.append({ channel, payload })),
        );
        const { epoch } = await log.end(channel);
        assert.deepEqual(
          appended,
          [1, 2, 3, 4].map((offset) => ({ epoch, offset, duplicate: false })),
        );
        assert.deepEqual((await retained()).current, ["a", "b", "c", "d"]);
      });

      it("keeps the order of the calls with and without ids", async () => {
        const payloads = Array.from({ length: 300 }, (_, n) => String(n));
        for (const [n, payload] of payloads.entries()) {
          void log.append({ channel, payload, id: n % 3 === 1 ? `id-${n}` : undefined });
          if (n % 50 === 0) await nextTurn();
        }
        await log.append({ channel, payload: "last" });
        assert.deepEqual((await retained()).current, [...payloads, "last"]);
      });

      it("counts each channel by itself, and keeps them apart", async () => {
        const reader = await follow();
        const other = `other-${randomUUID()}`;
        assert.equal((await log.append({ channel: other, payload: "elsewhere" })).offset, 1);
        assert.equal((await log.append({ channel, payload: "here" })).offset, 1);
        await reader.length(1);
        assert.deepEqual(reader.payloads, ["here"]);
      });

      it("keeps text as it is", async () => {
        const payloads = ["", "\u0000\r\n", "é €\u{1f600}", '"quoted"', "x".repeat(300_000)];
        const reader = await follow();
        await appendAll(payloads);
        await reader.length(payloads.length);
        assert.deepEqual(reader.payloads, payloads);
        assert.deepEqual((await retained()).current, payloads);
      });

      it("takes any name of a channel", async () => {
        for (channel of ["", `a:b {c}\r\n${randomUUID()}`, `\u{1f600}${randomUUID()}`]) {
          const { offset } = await log.append({ channel, payload: "named" });
          const reader = await retained();
          assert.equal(reader.current.at(-1), "named");
          assert.equal(reader.end, offset + 1);
        }
      });
    });

    describe("appending by id", () => {
      it("appends an id once, and answers a repetition with the first position", async () => {
        const { epoch } = await log.end(channel);
        assert.deepEqual(await log.append({ channel, payload: "once", id: "id" }), {
          epoch,
          offset: 1,
          duplicate: false,
        });
        assert.deepEqual(await log.append({ channel, payload: "once", id: "id" }), {
          epoch,
          offset: 1,
          duplicate: true,
        });
        assert.deepEqual(await log.append({ channel, payload: "other", id: "id2" }), {
          epoch,
          offset: 2,
          duplicate: false,
        });
        assert.deepEqual((await retained()).current, ["once", "other"]);
      });

      it("appends an id once also when it is repeated before the answer", async () => {
        const answers = await Promise.all(
          [1, 2, 3].map(() => log.append({ channel, payload: "once", id: "id" })),
        );
        assert.deepEqual(
          answers.map(({ offset, duplicate }) => [offset, duplicate]),
          [
            [1, false],
            [1, true],
            [1, true],
          ],
        );
      });

      it("holds an id for its own channel only", async () => {
        await log.append({ channel, payload: "here", id: "id" });
        const { duplicate } = await log.append({
          channel: `other-${randomUUID()}`,
          payload: "there",
          id: "id",
        });
        assert.equal(duplicate, false);
      });

      it("rejects another payload with the same id, and appends nothing", async () => {
        await log.append({ channel, payload: "mine", id: "id" });
        const answers = await Promise.allSettled([
          log.append({ channel, payload: "before" }),
          log.append({ channel, payload: "another", id: "id" }),
          log.append({ channel, payload: "after" }),
        ]);
        assert.deepEqual(
          answers.map((answer) =>
            answer.status === "rejected" ? answer.reason instanceof IdInUseError : answer.value.offset,
          ),
          [2, true, 3],
        );
        assert.equal((await log.append({ channel, payload: "mine", id: "id" })).duplicate, true);
        assert.deepEqual((await retained()).current, ["mine", "before", "after"]);
      });

      it("holds an id for its own publisher only", async () => {
        // The same characters, divided in another way.
        const owners = [
          ["id", "a"],
          ["id", "ab"],
          ["bid", "a"],
          ["id", undefined],
          ["1:aid", undefined],
        ] as const;
        for (const [index, [id, publisher]] of owners.entries()) {
          const payload = `of ${publisher ?? "nobody"}`;
          assert.equal((await log.append({ channel, payload, id, publisher })).offset, index + 1);
          assert.equal((await log.append({ channel, payload, id, publisher })).offset, index + 1);
        }
      });

      it("takes any text for an id", async () => {
        for (const [index, id] of ["", "=", ":", "é\u0000 \r\n", "x".repeat(128)].entries()) {
          assert.equal((await log.append({ channel, payload: "once", id })).offset, index + 1);
          assert.equal((await log.append({ channel, payload: "once", id })).offset, index + 1);
        }
      });

      it("knows the ids of as many entries as it retains, whether these have an id or not", async () => {
        const retainedMessages = 100;
        const small = await open({ retainedMessages });
        const append = async (count: number, prefix?: string): Promise<void> => {
          for (let n = 0; n < count; n++) {
            void small.append({
              channel,
              payload: "x",
              id: prefix === undefined ? undefined : `${prefix}${n}`,
            });
          }
          await small.end(channel);
        };
        await append(37);
        const first = await small.append({ channel, payload: "once", id: "id" });
        await append(retainedMessages / 2);
        await append(retainedMessages / 2 - 1, "other");
        assert.deepEqual(await small.append({ channel, payload: "once", id: "id" }), {
          ...first,
          duplicate: true,
        });
      });
    });

    describe("appending by id, wherever a driver begins to forget", () => {
      it("knows each of the newest ids", async () => {
        const retainedMessages = 20;
        const small = await open({ retainedMessages });
        for (let offset = 1; offset <= 3 * retainedMessages; offset++) {
          const { epoch } = await small.append({ channel, payload: "x", id: `id-${offset}` });
          for (const back of [0, 1, retainedMessages / 2, retainedMessages - 1]) {
            const earlier = Math.max(1, offset - back);
            const appended = await small.append({ channel, payload: "x", id: `id-${earlier}` });
            assert.deepEqual(
              appended,
              { epoch, offset: earlier, duplicate: true },
              `${back} before ${offset}`,
            );
          }
        }
      });
    });

    describe("the end of a channel", () => {
      it("is at 1 where there is nothing, in the epoch of what follows", async () => {
        const { epoch, next } = await log.end(channel);
        assert.equal(next, 1);
        assert.equal((await log.append({ channel, payload: "first" })).epoch, epoch);
      });

      it("is behind every entry that was appended", async () => {
        for (const offset of [1, 2, 3]) {
          const { epoch } = await log.append({ channel, payload: "x" });
          const ends = await Promise.all([log.end(channel), log.end(channel)]);
          for (const end of ends) assert.deepEqual(end, { epoch, next: offset + 1 });
        }
      });
    });

    describe("reading", () => {
      it("begins with what is retained, and says where that ends", async () => {
        await appendAll(["1", "2", "3"]);
        const reader = await follow();
        const { epoch } = await log.end(channel);
        assert.deepEqual([reader.epoch, reader.from, reader.end], [epoch, 1, 4]);
        await reader.length(3);
        await log.append({ channel, payload: "4" });
        await reader.length(4);
        assert.deepEqual(reader.payloads, ["1", "2", "3", "4"]);
      });

      it("goes from the history to what comes without a break", async () => {
        let count = 0;
        const appending = (async () => {
          while (count < 2000) {
            for (let n = 0; n < 50; n++) void log.append({ channel, payload: String(count++) });
            await nextTurn();
          }
          await log.end(channel);
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
          assert.deepEqual(reader.payloads, expected);
          assert.equal(reader.starts, 1);
        }
      });

      it("gives a second reader the history, and leaves the first one alone", async () => {
        const first = await follow();
        await appendAll(["1", "2"]);
        await first.length(2);
        const second = await follow();
        await log.append({ channel, payload: "3" });
        for (const reader of [first, second]) {
          await reader.length(3);
          assert.deepEqual(reader.payloads, ["1", "2", "3"]);
          assert.equal(reader.starts, 1);
        }
      });

      it("reads one channel with each of several readers, however they come and go", async () => {
        const total = 1500;
        const lasting = await follow();
        let sent = 0;
        for (let turn = 0; sent < total; turn++) {
          for (let n = 0; n < 30; n++) void log.append({ channel, payload: String(sent++) });
          const passing = new LogRecorder();
          passing.stop = log.subscribe(channel, passing);
          if (turn % 2 === 0) await passing.begun();
          passing.stop();
          await nextTurn();
        }
        await lasting.length(total);
        assert.deepEqual(
          lasting.payloads,
          Array.from({ length: total }, (_, n) => String(n)),
        );
        assert.equal(lasting.starts, 1);
      });

      it("ends with its undo, which may be called twice", async () => {
        const stopped = await follow();
        const other = await follow();
        await log.append({ channel, payload: "first" });
        await Promise.all([stopped.length(1), other.length(1)]);
        stopped.stop();
        stopped.stop();
        await log.append({ channel, payload: "second" });
        await other.length(2);
        assert.deepEqual(stopped.payloads, ["first"]);
      });

      it("ends with its undo also before it has begun", async () => {
        const stopped = new LogRecorder();
        log.subscribe(channel, stopped)();
        const { starts } = stopped;
        await log.append({ channel, payload: "first" });
        await retained();
        assert.deepEqual([stopped.starts, stopped.payloads], [starts, []]);
      });
    });

    describe("retaining", () => {
      it("keeps entries up to their number", async () => {
        const small = await open({ retainedMessages: 300 });
        const payloads = Array.from({ length: 1000 }, (_, n) => String(n + 1));
        await appendAll(payloads, small);
        const { from, current: kept } = await retained(small);
        assert.ok(from > 1000 - 2 * 300 - NODE_ENTRIES && from <= 701, `from ${from}`);
        assert.deepEqual(kept, payloads.slice(from - 1));
      });

      it("keeps entries up to their size", async () => {
        const small = await open({ retainedBytes: 64 * 1024 });
        const live = await follow(small);
        const payloads = Array.from({ length: 64 }, (_, n) => String(n + 1).padStart(8 * 1024, " "));
        for (const payload of payloads) await small.append({ channel, payload });
        await live.length(payloads.length);
        const { from, current: kept } = await retained(small);
        assert.ok(kept.length >= 8 && kept.length <= 17, `${kept.length} kept`);
        assert.deepEqual(kept, payloads.slice(from - 1));
        assert.deepEqual(live.payloads, payloads);
      });

      it("measures them as UTF-8", async () => {
        const small = await open({ retainedBytes: 64 * 1024 });
        const live = await follow(small);
        const payload = "€".repeat((8 * 1024) / Buffer.byteLength("€"));
        for (let n = 0; n < 64; n++) await small.append({ channel, payload });
        await live.length(64);
        const { current: kept } = await retained(small);
        assert.ok(kept.length >= 8 && kept.length <= 17, `${kept.length} kept`);
      });

      it("keeps entries up to their age, and goes on counting", async () => {
        const retainedSeconds = 0.2;
        const small = await open({ retainedSeconds });
        const live = await follow(small);
        const { epoch } = await small.append({ channel, payload: "old" });
        await live.length(1);
        await waitUntil(async () => (await retained(small)).current.length === 0);
        assert.deepEqual(await small.append({ channel, payload: "new" }), {
          epoch,
          offset: 2,
          duplicate: false,
        });
        await live.length(2);
        const { from, current } = await retained(small);
        // By now it may have gone too.
        assert.deepEqual(current, from === 2 ? ["new"] : []);
        assert.equal(live.starts, 1);
      });
    });

    describe("closing", () => {
      it("stores what is pending", async () => {
        const answers = Array.from({ length: 100 }, (_, n) =>
          log.append({ channel, payload: "x", id: `id-${n}` }),
        );
        await log.close();
        const settled = await Promise.allSettled(answers);
        assert.ok(settled.every(({ status }) => status === "fulfilled"));
      });

      it("is done once, and rejects what comes after", async () => {
        await log.close();
        await log.close();
        await assert.rejects(log.append({ channel, payload: "late" }), /closed/);
        await assert.rejects(log.append({ channel, payload: "late", id: "id" }), /closed/);
        await assert.rejects(log.end(channel), /closed/);
      });

      it("ends every reading", async () => {
        const reader = await follow();
        await log.append({ channel, payload: "x" });
        await reader.length(1);
        await log.close();
        assert.deepEqual(reader.payloads, ["x"]);
        await assert.rejects(follow(), /closed/);
      });
    });

    if (!driver.shared) return;

    describe("among several processes", () => {
      let other: PromisingLog;

      beforeEach(async () => {
        other = await open();
      });

      it("is the same log", async () => {
        const first = await log.append({ channel, payload: "here" });
        const reader = await follow(other);
        assert.deepEqual([reader.epoch, reader.end], [first.epoch, 2]);
        assert.deepEqual(await other.append({ channel, payload: "there" }), { ...first, offset: 2 });
        await reader.length(2);
        assert.deepEqual(reader.payloads, ["here", "there"]);
        assert.deepEqual(await log.end(channel), { epoch: first.epoch, next: 3 });
      });

      it("is opened once, however many open it at the same time", async () => {
        const third = await open();
        const answers = await Promise.all(
          [log, other, third].map((each) => each.append({ channel, payload: "x" })),
        );
        assert.equal(new Set(answers.map(({ epoch }) => epoch)).size, 1);
        assert.deepEqual(answers.map(({ offset }) => offset).sort(), [1, 2, 3]);
      });

      it("goes on counting for a process that comes when every entry has expired", async () => {
        const retention = { retainedSeconds: 0.2 };
        const small = await open(retention);
        const live = await follow(small);
        const { epoch } = await small.append({ channel, payload: "old" });
        await live.length(1);
        await waitUntil(async () => (await retained(small)).current.length === 0);
        const late = await open(retention);
        assert.deepEqual(await late.end(channel), { epoch, next: 2 });
        assert.deepEqual(await late.append({ channel, payload: "new" }), {
          epoch,
          offset: 2,
          duplicate: false,
        });
      });

      describe("where much comes at once", () => {
        const retainedBytes = 64 * 1024;
        const payloads = Array.from({ length: 500 }, (_, n) => String(n).padStart(1024));

        class TurnRecorder extends LogRecorder {
          /** Most that was told in one turn. */
          mostBytes = 0;
          /** Called in the turn after each that brought something. */
          onTurn: () => void = () => undefined;
          #bytes = 0;

          override entries(entries: readonly LogEntry[]): void {
            if (this.#bytes === 0) {
              setImmediate(() => {
                this.#bytes = 0;
                this.onTurn();
              });
            }
            for (const { payload } of entries) this.#bytes += Buffer.byteLength(payload);
            this.mostBytes = Math.max(this.mostBytes, this.#bytes);
            super.entries(entries);
          }
        }

        let reading: PromisingLog;
        let reader: TurnRecorder;

        beforeEach(async () => {
          reading = await open({ retainedBytes });
          reader = new TurnRecorder();
          reader.stop = reading.subscribe(channel, reader);
          await reader.begun();
        });

        it("gives it in pieces, each in a turn of its own", async () => {
          await appendAll(payloads, other);
          await reader.length(payloads.length);
          assert.deepEqual(reader.payloads, payloads);
          assert.equal(reader.starts, 1);
          assert.ok(reader.mostBytes <= retainedBytes / 4, `${reader.mostBytes} bytes in one turn`);
        });

        it("goes on where subscriptions come and go between the pieces", async () => {
          const going = await follow(reading);
          const coming = new LogRecorder();
          let seen: number | undefined;
          reader.onTurn = () => {
            if (seen !== undefined) return;
            going.stop();
            seen = going.payloads.length;
            coming.stop = reading.subscribe(channel, coming);
          };
          await appendAll(payloads, other);
          await reader.length(payloads.length);
          assert.deepEqual([reader.payloads, reader.starts], [payloads, 1]);
          await coming.until(() => coming.payloads.at(-1) === payloads.at(-1));
          assert.deepEqual(coming.current, payloads.slice(coming.from - 1));
          assert.ok(seen !== undefined && seen > 0 && seen < payloads.length);
          assert.equal(going.payloads.length, seen);
        });

        it("ends with the log between two pieces", async () => {
          const closed = new Promise<number>((resolve) => {
            reader.onTurn = () => {
              const seen = reader.payloads.length;
              reader.onTurn = () => undefined;
              void reading.close().then(() => {
                resolve(seen);
              });
            };
          });
          await appendAll(payloads, other);
          const seen = await closed;
          assert.equal(reader.payloads.length, seen);
          assert.ok(seen < payloads.length);
        });
      });

      it("has one order for all", async () => {
        const readers = [await follow(log), await follow(other)];
        const count = 500;
        const append = async (to: PromisingLog, name: string): Promise<void> => {
          for (let n = 0; n < count; n++) {
            void to.append({ channel, payload: `${name}${n}`, id: n % 5 === 0 ? `${name}${n}` : undefined });
            if (n % 20 === 0) await nextTurn();
          }
        };
        await Promise.all([append(log, "a"), append(other, "b")]);
        for (const reader of readers) await reader.length(2 * count);
        assert.deepEqual(readers[0]?.payloads, readers[1]?.payloads);
        for (const name of ["a", "b"]) {
          assert.deepEqual(
            readers[0]?.payloads.filter((payload) => payload.startsWith(name)),
            Array.from({ length: count }, (_, n) => `${name}${n}`),
          );
        }
      });

      it("appends an id once, whoever has it", async () => {
        const ids = Array.from({ length: 50 }, (_, n) => `id-${n}`);
        const answers = await Promise.all(
          ids.map((id) =>
            Promise.all([
              log.append({ channel, payload: id, id }),
              other.append({ channel, payload: id, id }),
            ]),
          ),
        );
        for (const [one, two] of answers) {
          assert.equal(one.offset, two.offset);
          assert.notEqual(one.duplicate, two.duplicate);
        }
        assert.deepEqual([...(await retained()).current].sort(), ids.sort());
      });
    });
  });
}
