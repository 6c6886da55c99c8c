/** Readers that are behind the frames in memory: they read pages of the log. */
import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";

import type { Cursor } from "../../../app/src/channel/cursor.ts";
import type { Slice } from "../../../app/src/channel/slices.ts";
import type { MessageLog } from "../../../app/src/log/log.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import { memoryLog } from "../support/logs.ts";
import { textsOf } from "../support/rawClient.ts";
import { afterwards, tearDown } from "../support/teardown.ts";
import { framesOf, hubOn, join, noticesOf, readToEnd } from "./hubFixture.ts";
import { ModelLog } from "./modelLog.ts";

/** A record of 10,000 bytes. */
function large(n: number): string {
  return JSON.stringify(String(n).padStart(9998, "x"));
}

/** Joins, and resolves `readable` with what the cursor reads first when it notifies its listener. */
async function joinNotifying(
  hub: ReturnType<typeof hubOn>,
  offset: number,
): Promise<{ cursor: Cursor; readable: Promise<Slice> }> {
  const { promise, resolve } = Promise.withResolvers<Slice>();
  const start = { epoch: "e0", offset };
  const { cursor } = await join(hub, {
    dialect: "channels",
    start,
    listener: {
      onReadable: (changed) => {
        const slice = changed.read();
        if (slice !== undefined) resolve(slice);
      },
    },
  });
  return { cursor, readable: promise };
}

describe("a reader behind the frames in memory", () => {
  afterEach(tearDown);

  it("receives everything as long as the log has it, however slow it is", async () => {
    const log = new ModelLog();
    const hub = hubOn({ log, cacheMib: 0.5 });
    const slow = await Promise.all([join(hub), join(hub, { dialect: "channels" })]);
    const records = Array.from({ length: 300 }, (_, n) => large(n));
    for (const record of records) log.push(record);
    for (const [index, dialect] of (["plain", "channels"] as const).entries()) {
      const cursor = slow[index]?.cursor ?? assert.fail();
      assert.deepEqual(await readToEnd(cursor), framesOf(dialect, 1, ...records));
      assert.equal(cursor.isLost, false);
    }
    assert.ok(log.reads > 0);
  });

  it("shares few reads with thousands of readers at nearby offsets, and each page is encoded once", async () => {
    const log = new ModelLog();
    const hub = hubOn({ log });
    await join(hub, { dialect: "channels" });
    const records = Array.from({ length: 2000 }, (_, n) => JSON.stringify(String(n).padStart(98, "x")));
    log.push(...records);
    // A task that has no frames of them.
    const other = hubOn({ log });
    const cursors = await Promise.all(
      Array.from({ length: 10_000 }, async (_, n) => {
        const offset = 1000 + (n % 200);
        const { cursor } = await join(other, { dialect: "channels", start: { epoch: "e0", offset } });
        return { cursor, offset };
      }),
    );
    let pending = cursors.filter(({ cursor }) => cursor.read() === undefined);
    assert.equal(pending.length, cursors.length);
    while (pending.length > 0) {
      await nextTurn();
      pending = pending.filter(({ cursor }) => {
        while (cursor.read() !== undefined);
        return !cursor.isAtEnd;
      });
    }
    const { reads } = log;
    assert.ok(reads <= 10, `${reads} reads`);
    const start = { epoch: "e0", offset: 1100 };
    const same = await Promise.all([1, 2].map(() => join(other, { dialect: "channels", start })));
    const [one, two] = same.map(({ cursor }) => cursor.read());
    assert.ok(one !== undefined && one === two, "not the same slice of a page in memory");
    assert.equal(log.reads, reads);
  });

  it("does not depend on the frames of other channels", async () => {
    const log = memoryLog();
    const hub = hubOn({ log, cacheMib: 0.5 });
    afterwards(() => {
      hub.close();
    });
    const { epoch } = await join(hub, { channel: "quiet", dialect: "channels" });
    await join(hub, { channel: "hot" });
    await hub.publish({ channel: "quiet", payload: '"kept"' });
    for (let n = 0; n < 100; n++) await hub.publish({ channel: "hot", payload: large(n) });
    const { cursor, gap } = await join(hub, {
      channel: "quiet",
      dialect: "channels",
      start: { epoch, offset: 0 },
    });
    assert.equal(gap, undefined);
    assert.equal(cursor.read(), undefined, "the frame is still in memory");
    const [text] = textsOf(await readToEnd(cursor));
    assert.equal(text, '{"channel":"quiet","offset":1,"message":"kept"}');
  });

  it("keeps new messages of a quiet channel in memory while another one is hot", async () => {
    const log = memoryLog();
    const hub = hubOn({ log, cacheMib: 0.5 });
    afterwards(() => {
      hub.close();
    });
    const { cursor } = await join(hub, { channel: "quiet" });
    await join(hub, { channel: "hot" });
    for (let n = 0; n < 100; n++) {
      await hub.publish({ channel: "hot", payload: large(n) });
      await hub.publish({ channel: "quiet", payload: String(n) });
      assert.deepEqual(cursor.read()?.bytes, framesOf("plain", n + 1, String(n)));
    }
  });

  it("begins at a number of messages before the end, as far as the log has them", async () => {
    const log = new ModelLog();
    log.push("1", "2", "3", "4");
    log.drop(1);
    const hub = hubOn({ log });
    for (const [last, offset] of [
      [1, 3],
      [3, 1],
      [50, 1],
    ] as const) {
      const joined = await join(hub, { dialect: "channels", start: { last } });
      assert.deepEqual([joined.offset, joined.gap], [offset, undefined]);
      const records = ["1", "2", "3", "4"].slice(offset);
      assert.deepEqual(await readToEnd(joined.cursor), framesOf("channels", offset + 1, ...records));
    }
    log.drop(3);
    const empty = hubOn({ log: new ModelLog() });
    assert.equal((await join(empty, { dialect: "channels", start: { last: 5 } })).offset, 0);
  });

  it("receives a gap if the log begins a new epoch while a page is read", async () => {
    const log = new ModelLog();
    log.push("1", "2", "3");
    log.isHolding = true;
    const hub = hubOn({ log });
    const { cursor } = await join(hub, { dialect: "channels", start: { epoch: "e0", offset: 1 } });
    assert.equal(cursor.read(), undefined);
    await nextTurn();
    assert.equal(log.reads, 1);
    log.restart(5, "5");
    log.answerReads();
    log.isHolding = false;
    assert.deepEqual(textsOf(await readToEnd(cursor)), [
      ...noticesOf("e1", 4, { epoch: "e0", from: 2 }),
      '{"channel":"c","offset":5,"message":5}',
    ]);
  });

  it("waits for a log that fails, and continues without a loss", async () => {
    const log = new ModelLog();
    log.push("1", "2", "3");
    log.isHolding = true;
    const hub = hubOn({ log });
    const { cursor, readable } = await joinNotifying(hub, 1);
    assert.equal(cursor.read(), undefined);
    for (const attempt of [1, 2]) {
      await waitUntil(() => log.reads === attempt);
      log.answerReads(new Error("away"));
    }
    assert.deepEqual([cursor.isAtEnd, cursor.isLost], [false, false]);
    log.isHolding = false;
    log.answerReads();
    assert.deepEqual((await readable).bytes, framesOf("channels", 2, "2", "3"));
  });

  it("rejects a join that needs a page of a log that fails, and keeps other readers", async () => {
    const log = new ModelLog();
    log.push("1", "2", "3");
    log.isHolding = true;
    const hub = hubOn({ log });
    const { cursor, readable } = await joinNotifying(hub, 1);
    cursor.read();
    const joining = join(hub, { dialect: "channels", start: { last: 2 } });
    await nextTurn();
    log.isHolding = false;
    log.answerReads(new Error("away"));
    await assert.rejects(joining, /away/);
    assert.deepEqual((await readable).bytes, framesOf("channels", 2, "2", "3"));
  });

  it("rejects a join that is aborted while a page is read", async () => {
    const log = new ModelLog();
    log.push("1", "2", "3");
    log.isHolding = true;
    const hub = hubOn({ log });
    const controller = new AbortController();
    const joining = join(hub, { dialect: "channels", start: { last: 2 }, signal: controller.signal });
    await nextTurn();
    controller.abort(new Error("aborted"));
    await assert.rejects(joining, /aborted/);
    log.answerReads();
    await nextTurn();
    log.isHolding = false;
    assert.equal((await join(hub, { dialect: "channels", start: { last: 2 } })).offset, 1);
  });

  it("reads at most eight pages of the log at a time", async () => {
    const log = memoryLog();
    const answers: (() => void)[] = [];
    let [atOnce, most, reads] = [0, 0, 0];
    const slow = {
      ...log,
      read: async (...args: Parameters<typeof log.read>) => {
        reads += 1;
        atOnce += 1;
        most = Math.max(most, atOnce);
        await new Promise<void>((resolve) => answers.push(resolve));
        atOnce -= 1;
        return log.read(...args);
      },
    };
    const hub = hubOn({ log: slow, maxChannels: 100 });
    afterwards(() => {
      hub.close();
    });
    for (let n = 0; n < 30; n++) await log.append({ channel: `c${n}`, record: "1" });
    const joining = Array.from({ length: 30 }, (_, n) =>
      join(hub, { channel: `c${n}`, dialect: "channels", start: { last: 1 } }),
    );
    while (reads < 30 || atOnce > 0) {
      for (const answer of answers.splice(0)) answer();
      await nextTurn();
    }
    const joined = await Promise.all(joining);
    assert.deepEqual(new Set(joined.map(({ offset }) => offset)), new Set([0]));
    assert.equal(most, 8);
  });

  it("does not wait for a server of the log that does not answer, or fails", async () => {
    const log = memoryLog();
    const [away, healthy] = [{}, {}];
    const unanswered: (() => void)[] = [];
    const servers: MessageLog = {
      ...log,
      serverOf: (channel) => (channel === "healthy" ? healthy : away),
      read: async (channel, ...args) => {
        if (channel !== "healthy") {
          await new Promise<void>((resolve) => unanswered.push(resolve));
          throw new Error("away");
        }
        return log.read(channel, ...args);
      },
    };
    const hub = hubOn({ log: servers, maxChannels: 100 });
    afterwards(() => {
      hub.close();
    });
    const last = { dialect: "channels", start: { last: 1 } } as const;
    const names = [...Array.from({ length: 30 }, (_, n) => `c${n}`), "healthy"];
    for (const channel of names) await log.append({ channel, record: "1" });
    const joining = names.map((channel) => join(hub, { channel, ...last }));
    assert.equal((await joining.at(-1))?.offset, 0);
    assert.equal(unanswered.length, 8);
    for (const answer of unanswered.splice(0)) answer();
    await assert.rejects(Promise.all(joining), /away/);
  });

  it("leaves nothing behind when its cursor is closed while a page is read", async () => {
    const log = new ModelLog();
    log.push("1");
    log.isHolding = true;
    const hub = hubOn({ log });
    let notified = 0;
    const { cursor } = await join(hub, {
      start: { epoch: "e0", offset: 0 },
      listener: { onReadable: () => (notified += 1) },
    });
    cursor.read();
    await nextTurn();
    cursor.close();
    cursor.close();
    log.answerReads();
    await nextTurn();
    assert.deepEqual([notified, log.reads, cursor.read()], [0, 1, undefined]);
  });

  it("is not delayed by another one that leaves while its page is read", async () => {
    const log = new ModelLog();
    log.push(...Array.from({ length: 20 }, (_, n) => large(n)));
    log.isHolding = true;
    const hub = hubOn({ log });
    const [leaving, staying] = await Promise.all([0, 15].map((offset) => joinNotifying(hub, offset)));
    assert.ok(leaving !== undefined && staying !== undefined);
    for (const { cursor } of [leaving, staying]) assert.equal(cursor.read(), undefined);
    await nextTurn();
    leaving.cursor.close();
    log.answerReads();
    await nextTurn();
    assert.equal(log.reads, 2);
    log.answerReads();
    assert.ok((await staying.readable).frames > 0);
  });
});

describe("a hub with very many channels", () => {
  it("joins 20,000 channels at once", async () => {
    const log = memoryLog();
    const hub = hubOn({ log, maxChannels: 20_000, lingerMs: 60_000 });
    const names = Array.from({ length: 20_000 }, (_, n) => `channel-${n}`);
    const cursors = await Promise.all(names.map((channel) => join(hub, { channel, dialect: "channels" })));
    assert.equal(hub.channels, 20_000);
    for (const { cursor } of cursors) cursor.close();
    // Each of them takes the place of another one.
    await Promise.all(names.map((channel) => join(hub, { channel: `${channel}-b`, dialect: "channels" })));
    assert.equal(hub.channels, 20_000);
    hub.close();
    await log.close();
  });
});
