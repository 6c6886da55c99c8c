import assert from "node:assert/strict";
import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";

import fc from "fast-check";

import { textFrame } from "../../../app/src/wire/frame.ts";
import { Hub, TooManyChannelsError } from "../../../app/src/channel/hub.ts";
import type { HubParts } from "../../../app/src/channel/hub.ts";
import type { Cursor, Joined, Listener, ResumePoint } from "../../../app/src/channel/cursor.ts";
import type { LogEntry, LogReader } from "../../../app/src/log/log.ts";
import { encodeBroadcast, encode } from "../../../app/src/wire/encode.ts";
import type { Dialect, Gap } from "../../../app/src/wire/messages.ts";
import { ManualLog, memoryLog } from "../support/logs.ts";
import { growsByLessThan, memoryInUse } from "../support/memory.ts";
import { textsOf } from "../support/rawClient.ts";
import { afterwards, tearDown } from "../support/teardown.ts";
import { waitUntil } from "../../support/waitUntil.ts";

const CHANNEL = "c";
const HEARTBEAT_SECONDS = 30;

const deaf: Listener = { onReadable: () => undefined };

function hubOn(parts: Pick<HubParts, "log"> & Partial<HubParts>): Hub {
  return new Hub({
    retainedBytes: 1024,
    maxChannels: 10,
    heartbeatSeconds: HEARTBEAT_SECONDS,
    retainedMessages: 1,
    lingerMs: 0,
    ...parts,
  });
}

function framesOf(dialect: Dialect, first: number, ...jsons: readonly string[]): Buffer {
  return Buffer.concat(jsons.map((json, n) => textFrame(encodeBroadcast(dialect, json, first + n))));
}

/** All that a cursor can read now. */
function readAll(cursor: Cursor): Buffer {
  const slices: Buffer[] = [];
  for (let slice = cursor.read(); slice !== undefined; slice = cursor.read()) slices.push(slice.bytes);
  return Buffer.concat(slices);
}

const entriesFrom = (first: number, ...payloads: readonly string[]): LogEntry[] =>
  payloads.map((payload, n) => ({ offset: first + n, payload }));

/** A hub whose channel has been read up to an offset. */
async function followed(
  next: number,
  parts: Partial<HubParts> = {},
  dialect: Dialect = "plain",
): Promise<{ log: ManualLog; hub: Hub; reader: LogReader; first: Joined }> {
  const log = new ManualLog();
  const hub = hubOn({ log, ...parts });
  const joining = hub.join(CHANNEL, dialect, undefined, deaf);
  const reader = log.reader(CHANNEL);
  reader.started({ epoch: "e", next }, next);
  return { log, hub, reader, first: await joining };
}

describe("the hub", () => {
  afterEach(tearDown);

  it("encodes what came in one turn once for all readers of a dialect", async () => {
    const hub = hubOn({ log: memoryLog() });
    const join = async (dialect: Dialect): Promise<Cursor> =>
      (await hub.join(CHANNEL, dialect, undefined, deaf)).cursor;
    const [a, b, c] = [await join("plain"), await join("plain"), await join("resume")];
    for (const json of ["1", '"two"', "[3]"]) await hub.publish({ channel: CHANNEL, payload: json });
    const slice = a.read();
    assert.deepEqual(slice?.bytes, framesOf("plain", 1, "1", '"two"', "[3]"));
    assert.equal(slice.frames, 3);
    assert.equal(b.read(), slice, "the same");
    assert.deepEqual(c.read()?.bytes, framesOf("resume", 1, "1", '"two"', "[3]"));
    for (const cursor of [a, b, c]) assert.equal(cursor.read(), undefined);
  });

  it("tells each reader once of all that came in one turn", async () => {
    const hub = hubOn({ log: memoryLog() });
    let told = 0;
    const { cursor } = await hub.join(CHANNEL, "plain", undefined, { onReadable: () => told++ });
    for (let n = 0; n < 5; n++) void hub.publish({ channel: CHANNEL, payload: String(n) });
    assert.equal(told, 0);
    await nextTurn();
    assert.equal(told, 1);
    assert.deepEqual(readAll(cursor), framesOf("plain", 1, "0", "1", "2", "3", "4"));
  });

  for (const dialects of [["plain"], ["resume"], ["plain", "resume"], ["resume", "plain"]] as const) {
    it(`tells readers of ${dialects.join(" and ")} early rather than evict what they could have read`, async () => {
      const { hub, reader, first } = await followed(1_000_000, { retainedBytes: 4096 }, dialects[0]);
      first.cursor.close();
      const readers = await Promise.all(
        dialects.map(async (dialect) => {
          const read: Buffer[] = [];
          const { cursor } = await hub.join(CHANNEL, dialect, undefined, {
            onReadable: () => read.push(readAll(cursor)),
          });
          return { dialect, read, cursor };
        }),
      );
      const payloads = Array.from({ length: 2000 }, (_, n) =>
        n % 500 === 7 ? `"${"x".repeat(1000)}"` : "1",
      );
      reader.entries(entriesFrom(1_000_000, ...payloads));
      await nextTurn();
      for (const { dialect, read, cursor } of readers) {
        assert.equal(cursor.isLost, false, dialect);
        assert.deepEqual(Buffer.concat(read), framesOf(dialect, 1_000_000, ...payloads), dialect);
      }
    });
  }

  it("loses a cursor whose next frame is evicted, and says so, once and for all", async () => {
    const { reader, first } = await followed(1, { retainedBytes: 1024 });
    const payload = "1".repeat(100);
    reader.entries(entriesFrom(1, payload));
    assert.equal(first.cursor.isLost, false);
    for (let offset = 2; offset < 50; offset++) reader.entries(entriesFrom(offset, payload));
    assert.equal(first.cursor.isLost, true);
    assert.equal(first.cursor.read(), undefined);
    assert.equal(first.cursor.isLost, true);
  });

  it("needs no memory for cursors that are lost", async () => {
    const cursors: Cursor[] = [];
    const log = memoryLog();
    const busy = hubOn({ log, retainedBytes: 64 * 1024 });
    const before = memoryInUse();
    for (let n = 0; n < 100; n++) {
      const { cursor } = await busy.join(CHANNEL, "plain", undefined, {
        // What a connection does that cannot write.
        onReadable: () => cursor.isLost,
      });
      cursors.push(cursor);
      for (let m = 0; m < 5; m++)
        await busy.publish({ channel: CHANNEL, payload: JSON.stringify("x".repeat(60_000)) });
      await nextTurn();
    }
    // The log itself keeps 4 MiB.
    await growsByLessThan(8 * 1024 * 1024, before);
    assert.equal(cursors.filter(({ isLost }) => isLost).length, cursors.length);
    busy.close();
    await log.close();
  });

  it("tells how far the slowest reader is behind, over all channels", async () => {
    const hub = hubOn({ log: memoryLog() });
    assert.equal(hub.slowestLagBytes, 0);
    const joined = await Promise.all(["a", "b"].map((name) => hub.join(name, "plain", undefined, deaf)));
    await hub.publish({ channel: "a", payload: "1" });
    await hub.publish({ channel: "b", payload: "22" });
    assert.equal(hub.slowestLagBytes, framesOf("plain", 1, "22").length);
    joined[1]?.cursor.read();
    assert.equal(hub.slowestLagBytes, framesOf("plain", 1, "1").length);
    joined[0]?.cursor.close();
    assert.equal(hub.slowestLagBytes, 0);
  });

  it("measures the fan-out from the arrival of a batch, however large it is", async () => {
    const seconds: number[] = [];
    const { reader } = await followed(1, {
      retainedBytes: 1024,
      onFannedOut: (duration) => seconds.push(duration),
    });
    let now = 1000;
    performance.now = () => now;
    afterwards(() => Reflect.deleteProperty(performance, "now"));
    reader.entries(entriesFrom(1, "1"));
    now += 7;
    await nextTurn();
    now += 60_000;
    reader.entries(entriesFrom(2, `"${"x".repeat(2000)}"`));
    now += 9;
    await nextTurn();
    assert.ok(seconds.length >= 2);
    for (const duration of seconds) assert.ok(duration < 1, `${duration} s`);
    assert.ok(seconds.includes(0.007), seconds.join());
  });

  describe("joins", () => {
    it("when all is read that was there before, and shows nothing of it", async () => {
      const log = new ManualLog();
      const hub = hubOn({ log });
      let joined = false;
      const joining = hub.join(CHANNEL, "resume", undefined, deaf).then((result) => {
        joined = true;
        return result;
      });
      const reader = log.reader(CHANNEL);
      reader.started({ epoch: "e", next: 7 }, 9);
      reader.entries(entriesFrom(7, "7"));
      await nextTurn();
      assert.equal(joined, false);
      reader.entries(entriesFrom(8, "8"));
      const { cursor, epoch, offset, gap } = await joining;
      assert.deepEqual([epoch, offset, gap], ["e", 8, undefined]);
      assert.equal(cursor.read(), undefined);
      reader.entries(entriesFrom(9, "9"));
      assert.deepEqual(readAll(cursor), framesOf("resume", 9, "9"));
    });

    it("many while the channel is being read, with one reading", async () => {
      const log = new ManualLog();
      const hub = hubOn({ log });
      const joining = [1, 2, 3].map((n) => hub.join(CHANNEL, n === 2 ? "resume" : "plain", undefined, deaf));
      log.reader(CHANNEL).started({ epoch: "e", next: 1 }, 1);
      for (const { offset } of await Promise.all(joining)) assert.equal(offset, 0);
    });

    it("at every offset that is retained, in both dialects, whichever was spoken first", async () => {
      const json = fc.oneof(
        fc.json({ stringUnit: "binary" }),
        fc.constantFrom('","offset":7', '{"offset":1}'),
      );
      const canonical = json.map((text) => {
        try {
          return JSON.stringify(JSON.parse(text));
        } catch {
          return JSON.stringify(text);
        }
      });
      const dialects = fc.shuffledSubarray<Dialect>(["plain", "resume"], { minLength: 2 });
      await fc.assert(
        fc.asyncProperty(
          fc.array(canonical, { maxLength: 30 }),
          fc.array(canonical, { maxLength: 5 }),
          fc.integer({ min: 1, max: 2 ** 40 }),
          dialects,
          async (before, after, first, [original, other]) => {
            assert.ok(original !== undefined && other !== undefined);
            const log = new ManualLog();
            const hub = hubOn({ log, retainedBytes: 1 << 20 });
            const joining = hub.join(CHANNEL, original, undefined, deaf);
            const reader = log.reader(CHANNEL);
            const end = first + before.length;
            reader.started({ epoch: "e", next: first }, end);
            if (before.length > 0) reader.entries(entriesFrom(first, ...before));
            await joining;
            const cursors: { from: number; dialect: Dialect; cursor: Cursor }[] = [];
            for (let from = first; from <= end; from++) {
              for (const dialect of [other, original]) {
                const resume = { epoch: "e", offset: from - 1 };
                const { cursor, offset, gap } = await hub.join(CHANNEL, dialect, resume, deaf);
                assert.deepEqual([offset, gap], [from - 1, undefined]);
                cursors.push({ from, dialect, cursor });
              }
            }
            if (after.length > 0) reader.entries(entriesFrom(end, ...after));
            for (const { from, dialect, cursor } of cursors) {
              const all = [...before, ...after].slice(from - first);
              assert.deepEqual(readAll(cursor), framesOf(dialect, from, ...all));
            }
            hub.close();
          },
        ),
        { numRuns: 60 },
      );
    });

    for (const [what, offset, joinsAt, gap] of [
      ["a client that is level", 19, 19, undefined],
      ["a client that has seen all before the first that is retained", 9, 9, undefined],
      ["a client that missed what is no longer retained", 3, 9, { epoch: "e", from: 4, to: 9 }],
      ["a client that saw nothing", 0, 9, { epoch: "e", from: 1, to: 9 }],
      ["a client that has seen more than the log has", 24, 19, { epoch: "e", from: 20 }],
      ["the largest offset", Number.MAX_SAFE_INTEGER, 19, { epoch: "e", from: 20 }],
    ] as const satisfies readonly (readonly [string, number, number, Gap | undefined])[]) {
      it(`${what} where it belongs, and says what is missing`, async () => {
        const { log, hub, reader } = await followed(10);
        reader.entries(entriesFrom(10, ...Array<string>(10).fill("1")));
        log.onEnd = () => Promise.resolve({ epoch: "e", next: 20 });
        const joined = await hub.join(CHANNEL, "resume", { epoch: "e", offset }, deaf);
        assert.deepEqual([joined.offset, joined.gap], [joinsAt, gap]);
        assert.deepEqual(
          readAll(joined.cursor),
          framesOf("resume", joinsAt + 1, ...Array<string>(19 - joinsAt).fill("1")),
        );
      });
    }

    it("a client of another epoch at the first that is retained, and says that nobody knows what is missing", async () => {
      const { log, hub, reader } = await followed(5);
      log.onEnd = () => Promise.resolve({ epoch: "e", next: 7 });
      reader.entries(entriesFrom(5, "5", "6"));
      const joined = await hub.join(CHANNEL, "resume", { epoch: "older", offset: 41 }, deaf);
      assert.deepEqual([joined.epoch, joined.offset, joined.gap], ["e", 4, { epoch: "older", from: 42 }]);
      assert.deepEqual(readAll(joined.cursor), framesOf("resume", 5, "5", "6"));
    });

    it("a client that is ahead of this task when the task has read as far", async () => {
      const { log, hub, reader } = await followed(5);
      log.onEnd = () => Promise.resolve({ epoch: "e", next: 9 });
      let joined = false;
      const joining = hub.join(CHANNEL, "resume", { epoch: "e", offset: 7 }, deaf).then((result) => {
        joined = true;
        return result;
      });
      reader.entries(entriesFrom(5, "5", "6"));
      await nextTurn();
      assert.equal(joined, false);
      reader.entries(entriesFrom(7, "7", "8"));
      const { cursor, offset, gap } = await joining;
      assert.deepEqual([offset, gap], [7, undefined]);
      assert.deepEqual(readAll(cursor), framesOf("resume", 8, "8"));
    });

    it("a client that is ahead of this task also where the log begins anew meanwhile", async () => {
      const { log, hub, reader } = await followed(5);
      log.onEnd = () => Promise.resolve({ epoch: "e", next: 9 });
      const joining = hub.join(CHANNEL, "resume", { epoch: "e", offset: 7 }, deaf);
      await nextTurn();
      reader.started({ epoch: "f", next: 1 }, 1);
      const { epoch, offset, gap } = await joining;
      assert.deepEqual([epoch, offset, gap], ["f", 0, { epoch: "e", from: 8 }]);
    });

    for (const [what, resume, gap] of [
      ["has seen", { epoch: "f", offset: 2 }, undefined],
      ["has not seen", { epoch: "e", offset: 7 }, { epoch: "e", from: 8 }],
    ] as const satisfies readonly (readonly [string, ResumePoint, Gap | undefined])[]) {
      it(`a client behind a new beginning of the log that it ${what}, and this task has not`, async () => {
        const { log, hub, reader } = await followed(5);
        log.onEnd = () => Promise.resolve({ epoch: "f", next: 4 });
        const joining = hub.join(CHANNEL, "resume", resume, deaf);
        await nextTurn();
        reader.started({ epoch: "f", next: 1 }, 4);
        reader.entries(entriesFrom(1, "1", "2", "3"));
        const joined = await joining;
        assert.deepEqual([joined.epoch, joined.gap], ["f", gap]);
        assert.deepEqual(
          readAll(joined.cursor),
          framesOf("resume", joined.offset + 1, ...["1", "2", "3"].slice(joined.offset)),
        );
      });
    }

    it("nobody where the log does not say how far it is, and keeps the others", async () => {
      const { hub, reader, first } = await followed(5);
      await assert.rejects(hub.join(CHANNEL, "resume", { epoch: "e", offset: 7 }, deaf), /away/);
      reader.entries(entriesFrom(5, "5"));
      assert.deepEqual(readAll(first.cursor), framesOf("plain", 5, "5"));
    });

    it("nobody in a log that is closed", async () => {
      const log = memoryLog();
      const hub = hubOn({ log });
      await log.close();
      await assert.rejects(hub.join(CHANNEL, "plain", undefined, deaf), /closed/);
      assert.equal(hub.channels, 0);
    });

    it("nobody who gives up, and keeps nothing for them", async () => {
      const log = new ManualLog();
      const hub = hubOn({ log });
      const giveUp = new AbortController();
      const join = (resume?: ResumePoint): Promise<Joined> =>
        hub.join(CHANNEL, "resume", resume, deaf, giveUp.signal);
      const [waiting, staying] = [join(), hub.join(CHANNEL, "resume", undefined, deaf)];
      giveUp.abort(new Error("given up"));
      await assert.rejects(waiting, /given up/, "the log has not begun");
      await assert.rejects(join(), /given up/, "before it came");

      const reader = log.reader(CHANNEL);
      reader.started({ epoch: "e", next: 5 }, 5);
      const { cursor } = await staying;
      log.onEnd = () => Promise.resolve({ epoch: "e", next: 9 });
      const later = new AbortController();
      const ahead = hub.join(CHANNEL, "resume", { epoch: "e", offset: 7 }, deaf, later.signal);
      await nextTurn();
      later.abort(new Error("given up too"));
      await assert.rejects(ahead, /given up too/, "this task has not read as far");
      cursor.close();
      await waitUntil(() => hub.channels === 0);
      assert.equal(log.readers.size, 0);
    });

    it("no more channels than it may; those that only linger make room, the oldest first", async () => {
      const { log, hub, first } = await followed(1, { maxChannels: 4, lingerMs: 60_000 });
      const join = async (name: string): Promise<Joined> => {
        const joining = hub.join(name, "plain", undefined, deaf);
        // A rejected one has no reader.
        log.readers.get(name)?.started({ epoch: "e", next: 1 }, 1);
        return joining;
      };
      const [d, e] = [await join("d"), await join("e"), await join("f")];
      await assert.rejects(join("g"), TooManyChannelsError);
      // Neither the order in which they were opened, nor the reverse.
      for (const { cursor } of [d, e, first]) cursor.close();
      const left: string[] = [];
      for (const name of ["g", "h", "i"]) {
        const before = [...log.readers.keys()];
        await join(name);
        left.push(...before.filter((each) => !log.readers.has(each)));
      }
      assert.deepEqual(left, ["d", "e", CHANNEL]);
      await assert.rejects(join("j"), TooManyChannelsError);
      assert.equal(hub.channels, 4);
    });
  });

  describe("when a log begins anew", () => {
    it("tells readers the gap in the same epoch, behind what they had not read, and goes on", async () => {
      const { hub, reader, first: plain } = await followed(5);
      const { cursor } = await hub.join(CHANNEL, "resume", undefined, deaf);
      reader.entries(entriesFrom(5, "5"));
      reader.started({ epoch: "e", next: 9 }, 10);
      reader.entries(entriesFrom(9, "9"));
      assert.deepEqual(textsOf(readAll(cursor)), [
        encodeBroadcast("resume", "5", 5),
        encode({ connection: "ok", epoch: "e", offset: 8, heartbeat: HEARTBEAT_SECONDS }),
        encode({ gap: { epoch: "e", from: 6, to: 8 } }),
        encodeBroadcast("resume", "9", 9),
      ]);
      assert.deepEqual(readAll(plain.cursor), framesOf("plain", 5, "5", "9"), "plain clients know no gaps");
    });

    it("tells readers the gap in another epoch, and wakes them though nothing follows", async () => {
      const { hub, reader } = await followed(5);
      let told = 0;
      const { cursor } = await hub.join(CHANNEL, "resume", undefined, { onReadable: () => told++ });
      reader.started({ epoch: "f", next: 1 }, 1);
      await nextTurn();
      assert.equal(told, 1);
      assert.deepEqual(textsOf(readAll(cursor)), [
        encode({ connection: "ok", epoch: "f", offset: 0, heartbeat: HEARTBEAT_SECONDS }),
        encode({ gap: { epoch: "e", from: 5 } }),
      ]);
    });

    it("gives those who resume later what there is before the gap, the gap, and what follows it", async () => {
      for (const spoken of ["plain", "resume"] as const) {
        const { hub, reader } = await followed(4, { retainedBytes: 8192 }, spoken);
        reader.entries(entriesFrom(4, "4", "5"));
        reader.started({ epoch: "e", next: 9 }, 10);
        reader.entries(entriesFrom(9, "9"));
        const notices = [
          encode({ connection: "ok", epoch: "e", offset: 8, heartbeat: HEARTBEAT_SECONDS }),
          encode({ gap: { epoch: "e", from: 6, to: 8 } }),
        ];
        const [four, five, nine] = [4, 5, 9].map((n) => encodeBroadcast("resume", String(n), n));
        for (const [offset, startsAt, gap, texts] of [
          [3, 3, undefined, [four, five, ...notices, nine]],
          [4, 4, undefined, [five, ...notices, nine]],
          [5, 5, undefined, [...notices, nine]],
          // Another task has shown it what this one could not read.
          [6, 8, { epoch: "e", from: 7, to: 8 }, [nine]],
          [8, 8, undefined, [nine]],
          [9, 9, undefined, []],
        ] as const) {
          const joined = await hub.join(CHANNEL, "resume", { epoch: "e", offset }, deaf);
          assert.deepEqual([joined.offset, joined.gap], [startsAt, gap], `${spoken}, ${offset}`);
          assert.deepEqual(textsOf(readAll(joined.cursor)), texts, `${spoken}, ${offset}`);
        }
      }
    });

    it("does not tell those who join later of another epoch, who resume within the new life only", async () => {
      const { log, hub, reader } = await followed(5, {}, "resume");
      log.onEnd = () => Promise.resolve({ epoch: "f", next: 2 });
      reader.entries(entriesFrom(5, "5"));
      reader.started({ epoch: "f", next: 1 }, 2);
      reader.entries(entriesFrom(1, "1"));
      for (const dialect of ["resume", "plain"] as const) {
        const level = await hub.join(CHANNEL, dialect, { epoch: "f", offset: 0 }, deaf);
        assert.deepEqual([level.offset, level.gap], [0, undefined]);
        assert.deepEqual(readAll(level.cursor), framesOf(dialect, 1, "1"));
        const behind = await hub.join(CHANNEL, dialect, { epoch: "e", offset: 4 }, deaf);
        assert.deepEqual([behind.offset, behind.gap], [0, { epoch: "e", from: 5 }]);
      }
    });

    it("shows those who join then nothing of what was there before them", async () => {
      const { hub, reader } = await followed(5);
      for (const [epoch, from] of [
        ["e", 8],
        ["f", 1],
      ] as const) {
        reader.started({ epoch, next: from }, from + 3);
        const joining = hub.join(CHANNEL, "resume", undefined, deaf);
        await nextTurn();
        reader.entries(entriesFrom(from, "1", "2", "3"));
        reader.entries(entriesFrom(from + 3, "new"));
        const { cursor, offset } = await joining;
        assert.equal(offset, from + 3);
        assert.equal(cursor.read(), undefined);
      }
    });

    it("tells nothing to those who wait for its first beginning", async () => {
      const log = new ManualLog();
      const hub = hubOn({ log });
      const joining = hub.join(CHANNEL, "resume", undefined, deaf);
      const reader = log.reader(CHANNEL);
      reader.started({ epoch: "e", next: 1 }, 9);
      reader.entries(entriesFrom(1, "1"));
      reader.started({ epoch: "f", next: 3 }, 4);
      reader.entries(entriesFrom(3, "3"));
      const { cursor, epoch, offset } = await joining;
      assert.deepEqual([epoch, offset, cursor.read()], ["f", 3, undefined]);
    });
  });

  describe("flushes", () => {
    it("when what was acknowledged has also come back from the log", async () => {
      const { log, hub, reader } = await followed(1);
      void hub.publish({ channel: CHANNEL, payload: "1" });
      let flushed = false;
      const flushing = hub.flush().then(() => (flushed = true));
      await nextTurn();
      assert.equal(flushed, false, "not acknowledged");
      log.appends[0]?.answer.resolve({ epoch: "e", offset: 1, duplicate: false });
      await nextTurn();
      assert.equal(flushed, false, "not back yet");
      reader.entries(entriesFrom(1, "1"));
      await flushing;
    });

    it("when every publish is answered that came before it, in whatever order, and under continuous load", async () => {
      const { log, hub } = await followed(1);
      const publish = async (name: string, json: string): Promise<unknown> =>
        hub.publish({ channel: name, payload: json });
      const publishes = [publish(CHANNEL, "1"), publish("unread", "2")];
      const flushed: string[] = [];
      const first = hub.flush().then(() => flushed.push("first"));
      publishes.push(publish("unread", "3"));
      const second = hub.flush().then(() => flushed.push("second"));
      publishes.push(publish("unread", "4"));
      const settle = async (n: number): Promise<void> => {
        log.appends[n]?.answer.reject(new Error("not stored"));
        await assert.rejects(publishes[n] ?? Promise.resolve());
        await nextTurn();
      };
      await settle(3);
      await settle(2);
      await settle(1);
      assert.deepEqual(flushed, [], "the oldest is not answered");
      await settle(0);
      await Promise.all([first, second]);
    });

    it("at once where a channel is not read yet", async () => {
      const hub = hubOn({ log: new ManualLog() });
      void hub.join(CHANNEL, "plain", undefined, deaf);
      await hub.flush();
    });

    it("at once where nothing was published, and when the log begins anew", async () => {
      const { log, hub, reader } = await followed(1);
      await hub.flush();
      const publishing = hub.publish({ channel: CHANNEL, payload: "1" });
      log.appends[0]?.answer.resolve({ epoch: "e", offset: 1, duplicate: false });
      await publishing;
      const flushing = hub.flush();
      reader.started({ epoch: "f", next: 1 }, 1);
      await flushing;
    });
  });

  it("retains what it must for those who resume, whatever frames take, and forgets the rest", async () => {
    const retention = { retainedMessages: 1000, retainedBytes: 16 * 1024 };
    const count = 4000;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(4 * 1024 - 2), { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        async (lengths, tiny) => {
          const { log, hub, reader } = await followed(1, retention, "resume");
          log.onEnd = () => Promise.resolve({ epoch: "e", next: count + 1 });
          const texts = lengths.map((length) => JSON.stringify("x".repeat(tiny ? length % 5 : length)));
          const payloads = Array.from({ length: count }, (_, n) => texts[n % texts.length] ?? "");
          reader.entries(entriesFrom(1, ...payloads));
          const newest = payloads.toReversed();
          let [bytes, must] = [0, 0];
          while (must < retention.retainedMessages) {
            bytes += newest[must]?.length ?? 0;
            if (bytes > retention.retainedBytes) break;
            must += 1;
          }
          const resume = { epoch: "e", offset: count - must };
          const { cursor, gap } = await hub.join(CHANNEL, "resume", resume, deaf);
          assert.equal(gap, undefined, `${must} must be there`);
          assert.deepEqual(
            readAll(cursor),
            framesOf("resume", count + 1 - must, ...payloads.slice(count - must)),
          );
          const oldest = await hub.join(CHANNEL, "resume", { epoch: "e", offset: 0 }, deaf);
          assert.notEqual(oldest.gap, undefined);
          hub.close();
        },
      ),
      { numRuns: 30 },
    );
  });

  it("keeps the frames of a dialect for a while when its last reader goes, and then makes them anew", async () => {
    const { hub, reader, first } = await followed(1, { lingerMs: 20 }, "plain");
    const resume = async (): Promise<Cursor> =>
      (await hub.join(CHANNEL, "resume", { epoch: "e", offset: 0 }, deaf)).cursor;
    reader.entries(entriesFrom(1, "1"));
    const one = await resume();
    const slice = one.read();
    one.close();
    const again = await resume();
    assert.equal(again.read(), slice, "the same");
    again.close();
    await delay(40);
    const later = await resume();
    const anew = later.read();
    assert.notEqual(anew, slice);
    assert.deepEqual(anew, slice);
    assert.equal(hub.channels, 1);
    assert.deepEqual(readAll(first.cursor), framesOf("plain", 1, "1"));
  });

  it("lingers in a channel that nobody reads, for those who come back at once", async () => {
    const { log, hub, reader, first } = await followed(1, { lingerMs: 20 });
    first.cursor.close();
    first.cursor.close();
    reader.entries(entriesFrom(1, "1"));
    const again = await hub.join(CHANNEL, "resume", { epoch: "e", offset: 0 }, deaf);
    assert.deepEqual(readAll(again.cursor), framesOf("resume", 1, "1"));
    await delay(30);
    assert.deepEqual([hub.channels, log.readers.size], [1, 1], "somebody is here");
    again.cursor.close();
    assert.deepEqual([hub.channels, log.readers.size], [1, 1], "not at once");
    await waitUntil(() => hub.channels === 0);
    assert.equal(log.readers.size, 0);
  });

  it("stops reading the log when it is closed", async () => {
    const { log, hub } = await followed(1);
    hub.close();
    hub.close();
    assert.deepEqual([hub.channels, log.readers.size], [0, 0]);
  });

  it("keeps publishes in order, answers with where they are, and tells what the log says against them", async () => {
    const log = new ManualLog();
    const hub = hubOn({ log });
    const [first, second] = [
      hub.publish({ channel: "a", payload: "1", id: "id", publisher: "user" }),
      hub.publish({ channel: "a", payload: "2" }),
    ];
    assert.deepEqual(
      log.appends.map(({ message }) => message),
      [
        { channel: "a", payload: "1", id: "id", publisher: "user" },
        { channel: "a", payload: "2" },
      ],
    );
    const appended = { epoch: "e", offset: 1, duplicate: true };
    log.appends[0]?.answer.resolve(appended);
    assert.deepEqual(await first, appended);
    log.appends[1]?.answer.reject(new Error("full"));
    await assert.rejects(async () => second, /full/);
  });
});
