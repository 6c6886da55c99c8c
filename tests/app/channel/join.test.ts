import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";

import fc from "fast-check";

import type { Cursor, Joined, ResumePoint } from "../../../app/src/channel/cursor.ts";
import { TooManyChannelsError } from "../../../app/src/channel/hub.ts";
import { encodeBroadcast } from "../../../app/src/wire/encode.ts";
import type { Dialect, Gap } from "../../../app/src/wire/messages.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import { ManualLog, memoryLog } from "../support/logs.ts";
import { textsOf } from "../support/rawClient.ts";
import {
  broadcastOf,
  CHANNEL,
  hubOn,
  join,
  followed,
  framesOf,
  noticesOf,
  readAll,
  readToEnd,
  entriesFrom,
} from "./hubFixture.ts";

describe("joining a channel", () => {
  it("waits until the retained messages are read, and delivers none of them", async () => {
    const log = new ManualLog();
    const hub = hubOn({ log });
    let joined = false;
    const joining = join(hub, { dialect: "channels" }).then((result) => {
      joined = true;
      return result;
    });
    const reader = log.reader(CHANNEL);
    await nextTurn();
    assert.equal(joined, false);
    reader.started({ epoch: "e", next: 7 }, "7", "8");
    const { cursor, epoch, offset, gap } = await joining;
    assert.deepEqual([epoch, offset, gap], ["e", 8, undefined]);
    assert.equal(cursor.read(), undefined);
    reader.entries(entriesFrom(9, "9"));
    assert.deepEqual(readAll(cursor), framesOf("channels", 9, "9"));
  });

  it("resumes at every retained offset in both dialects, in either order", async () => {
    const json = fc.oneof(fc.json({ stringUnit: "binary" }), fc.constantFrom('","offset":7', '{"offset":1}'));
    const canonical = json.map((text) => {
      try {
        return JSON.stringify(JSON.parse(text));
      } catch {
        return JSON.stringify(text);
      }
    });
    const dialects = fc.shuffledSubarray<Dialect>(["plain", "channels"], { minLength: 2 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(canonical, { maxLength: 30 }),
        fc.array(canonical, { maxLength: 5 }),
        fc.integer({ min: 1, max: 2 ** 40 }),
        dialects,
        async (before, after, first, [original, other]) => {
          assert.ok(original !== undefined && other !== undefined);
          const log = new ManualLog();
          const hub = hubOn({ log });
          const joining = join(hub, { dialect: original });
          const reader = log.reader(CHANNEL);
          const end = first + before.length;
          reader.started({ epoch: "e", next: first }, ...before);
          await joining;
          const cursors: { from: number; dialect: Dialect; cursor: Cursor }[] = [];
          for (let from = first; from <= end; from++) {
            for (const dialect of [other, original]) {
              const resume = { epoch: "e", offset: from - 1 };
              const { cursor, offset, gap } = await join(hub, { dialect, start: resume });
              assert.deepEqual([offset, gap], [from - 1, undefined]);
              cursors.push({ from, dialect, cursor });
            }
          }
          if (after.length > 0) reader.entries(entriesFrom(end, ...after));
          for (const { from, dialect, cursor } of cursors) {
            const all = [...before, ...after].slice(from - first);
            assert.deepEqual(await readToEnd(cursor), framesOf(dialect, from, ...all));
          }
          hub.close();
        },
      ),
      { numRuns: 25 },
    );
  });

  for (const [what, offset, joinsAt, gap] of [
    ["a client that has received everything at the end", 19, 19, undefined],
    ["a client whose next message is the oldest one", 9, 9, undefined],
    [
      "a client that has received more than the log has, with a gap of unknown length",
      24,
      19,
      { epoch: "e", from: 20 },
    ],
    ["a client with the largest offset", Number.MAX_SAFE_INTEGER, 19, { epoch: "e", from: 20 }],
  ] as const satisfies readonly (readonly [string, number, number, Gap | undefined])[]) {
    it(`resumes ${what}`, async () => {
      const { log, hub, reader } = await followed(10);
      reader.entries(entriesFrom(10, ...Array<string>(10).fill("1")));
      log.onEnd = () => Promise.resolve({ epoch: "e", next: 20 });
      const joined = await join(hub, { dialect: "channels", start: { epoch: "e", offset } });
      assert.deepEqual([joined.offset, joined.gap], [joinsAt, gap]);
      assert.deepEqual(
        await readToEnd(joined.cursor),
        framesOf("channels", joinsAt + 1, ...Array<string>(19 - joinsAt).fill("1")),
      );
    });
  }

  for (const offset of [3, 0]) {
    it(`delivers a gap to a client that resumes after ${offset}, and needs messages that the log has dropped`, async () => {
      const { hub, reader } = await followed(10);
      reader.entries(entriesFrom(10, "10", "11"));
      const joined = await join(hub, { dialect: "channels", start: { epoch: "e", offset } });
      assert.deepEqual([joined.offset, joined.gap], [offset, undefined]);
      assert.deepEqual(textsOf(await readToEnd(joined.cursor)), [
        ...noticesOf("e", 9, { epoch: "e", from: offset + 1, to: 9 }),
        ...["10", "11"].map((json, n) => encodeBroadcast("channels", broadcastOf(json, 10 + n))),
      ]);
      // The next client is notified at once.
      const next = await join(hub, { dialect: "channels", start: { epoch: "e", offset } });
      assert.deepEqual([next.offset, next.gap], [9, { epoch: "e", from: offset + 1, to: 9 }]);
    });
  }

  it("resumes a client of another epoch at the oldest message, with a gap of unknown length", async () => {
    const { log, hub, reader } = await followed(5);
    log.onEnd = () => Promise.resolve({ epoch: "e", next: 7 });
    reader.entries(entriesFrom(5, "5", "6"));
    const joined = await join(hub, { dialect: "channels", start: { epoch: "older", offset: 41 } });
    assert.deepEqual([joined.epoch, joined.offset, joined.gap], ["e", 4, { epoch: "older", from: 42 }]);
    assert.deepEqual(await readToEnd(joined.cursor), framesOf("channels", 5, "5", "6"));
  });

  it("waits for messages that another task has delivered to the client", async () => {
    const { log, hub, reader } = await followed(5);
    log.onEnd = () => Promise.resolve({ epoch: "e", next: 9 });
    let joined = false;
    const joining = join(hub, { dialect: "channels", start: { epoch: "e", offset: 7 } }).then((result) => {
      joined = true;
      return result;
    });
    reader.entries(entriesFrom(5, "5", "6"));
    await nextTurn();
    assert.equal(joined, false);
    reader.entries(entriesFrom(7, "7", "8"));
    const { cursor, offset, gap } = await joining;
    assert.deepEqual([offset, gap], [7, undefined]);
    assert.deepEqual(readAll(cursor), framesOf("channels", 8, "8"));
  });

  it("does not wait for these messages if the log begins a new epoch", async () => {
    const { log, hub, reader } = await followed(5);
    log.onEnd = () => Promise.resolve({ epoch: "e", next: 9 });
    const joining = join(hub, { dialect: "channels", start: { epoch: "e", offset: 7 } });
    await nextTurn();
    reader.started({ epoch: "f", next: 1 });
    const { epoch, offset, gap } = await joining;
    assert.deepEqual([epoch, offset, gap], ["f", 0, { epoch: "e", from: 8 }]);
  });

  for (const [what, resume, gap] of [
    ["has received messages of", { epoch: "f", offset: 2 }, undefined],
    ["has received no messages of", { epoch: "e", offset: 7 }, { epoch: "e", from: 8 }],
  ] as const satisfies readonly (readonly [string, ResumePoint, Gap | undefined])[]) {
    it(`waits for an epoch that this task has not read, and that the client ${what}`, async () => {
      const { log, hub, reader } = await followed(5);
      log.onEnd = () => Promise.resolve({ epoch: "f", next: 4 });
      const joining = join(hub, { dialect: "channels", start: resume });
      await nextTurn();
      reader.started({ epoch: "f", next: 1 }, "1", "2", "3");
      const joined = await joining;
      assert.deepEqual([joined.epoch, joined.gap], ["f", gap]);
      assert.deepEqual(
        await readToEnd(joined.cursor),
        framesOf("channels", joined.offset + 1, ...["1", "2", "3"].slice(joined.offset)),
      );
    });
  }

  it("rejects if the log does not return its end, and keeps other readers", async () => {
    const { hub, reader, first } = await followed(5);
    await assert.rejects(join(hub, { dialect: "channels", start: { epoch: "e", offset: 7 } }), /away/);
    reader.entries(entriesFrom(5, "5"));
    assert.deepEqual(readAll(first.cursor), framesOf("plain", 5, "5"));
  });

  it("rejects if the log is closed", async () => {
    const log = memoryLog();
    const hub = hubOn({ log });
    await log.close();
    await assert.rejects(join(hub), /closed/);
    assert.equal(hub.channels, 0);
  });

  it("rejects when its signal is aborted, and keeps no subscription", async () => {
    const log = new ManualLog();
    const hub = hubOn({ log });
    const controller = new AbortController();
    const { signal } = controller;
    const [waiting, staying] = [
      join(hub, { dialect: "channels", signal }),
      join(hub, { dialect: "channels" }),
    ];
    controller.abort(new Error("aborted"));
    await assert.rejects(waiting, /aborted/, "the log has not begun to deliver");
    await assert.rejects(join(hub, { signal }), /aborted/, "aborted before the join");

    const reader = log.reader(CHANNEL);
    reader.started({ epoch: "e", next: 5 });
    const { cursor } = await staying;
    log.onEnd = () => Promise.resolve({ epoch: "e", next: 9 });
    const later = new AbortController();
    const ahead = join(hub, { dialect: "channels", start: { epoch: "e", offset: 7 }, signal: later.signal });
    await nextTurn();
    later.abort(new Error("aborted, too"));
    await assert.rejects(ahead, /aborted, too/, "the messages did not arrive");
    cursor.close();
    await waitUntil(() => hub.channels === 0);
    assert.equal(log.readers.size, 0);
  });

  it("rejects beyond the maximum number of channels, and first ends those without readers, the oldest first", async () => {
    const { log, hub, first } = await followed(1, { maxChannels: 4, lingerMs: 60_000 });
    const open = async (name: string): Promise<Joined> => {
      const joining = join(hub, { channel: name });
      // A rejected join has no reader.
      log.readers.get(name)?.started({ epoch: "e", next: 1 });
      return joining;
    };
    const [d, e] = [await open("d"), await open("e"), await open("f")];
    await assert.rejects(open("g"), TooManyChannelsError);
    // Neither the order in which the channels were opened, nor its reverse.
    for (const { cursor } of [d, e, first]) cursor.close();
    const left: string[] = [];
    for (const name of ["g", "h", "i"]) {
      const before = [...log.readers.keys()];
      await open(name);
      left.push(...before.filter((each) => !log.readers.has(each)));
    }
    assert.deepEqual(left, ["d", "e", CHANNEL]);
    await assert.rejects(open("j"), TooManyChannelsError);
    assert.equal(hub.channels, 4);
  });
});
