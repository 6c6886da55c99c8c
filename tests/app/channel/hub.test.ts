import assert from "node:assert/strict";
import { mock } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";

import type { Cursor } from "../../../app/src/channel/cursor.ts";
import { ManualLog, memoryLog } from "../support/logs.ts";
import { growsByLessThan, memoryInUse } from "../support/memory.ts";
import { afterwards, tearDown } from "../support/teardown.ts";
import { CHANNEL, hubOn, join, followed, framesOf, readAll, readToEnd, entriesFrom } from "./hubFixture.ts";

function mockTimeouts(): void {
  mock.timers.enable({ apis: ["setTimeout"] });
  afterwards(() => {
    mock.timers.reset();
  });
}

describe("the hub", () => {
  afterEach(tearDown);

  it("encodes the messages of one turn once per dialect for all readers", async () => {
    const hub = hubOn({ log: memoryLog() });
    const joined = await Promise.all(
      (["plain", "plain", "channels"] as const).map((dialect) => join(hub, { dialect })),
    );
    const [a, b, c] = joined.map(({ cursor }) => cursor);
    assert.ok(a !== undefined && b !== undefined && c !== undefined);
    for (const json of ["1", '"two"', "[3]"]) await hub.publish({ channel: CHANNEL, payload: json });
    const slice = a.read();
    assert.deepEqual(slice?.bytes, framesOf("plain", 1, "1", '"two"', "[3]"));
    assert.equal(slice.frames, 3);
    assert.equal(b.read(), slice, "not the same slice");
    assert.deepEqual(c.read()?.bytes, framesOf("channels", 1, "1", '"two"', "[3]"));
    for (const cursor of [a, b, c]) assert.equal(cursor.read(), undefined);
  });

  it("notifies each reader once of all messages of one turn", async () => {
    const hub = hubOn({ log: memoryLog() });
    let notified = 0;
    const { cursor } = await join(hub, { listener: { onReadable: () => notified++ } });
    for (let n = 0; n < 5; n++) void hub.publish({ channel: CHANNEL, payload: String(n) });
    assert.equal(notified, 0);
    await nextTurn();
    assert.equal(notified, 1);
    assert.deepEqual(readAll(cursor), framesOf("plain", 1, "0", "1", "2", "3", "4"));
  });

  for (const dialects of [["plain"], ["channels"], ["plain", "channels"], ["channels", "plain"]] as const) {
    it(`notifies ${dialects.join(" and ")} readers early if frames would be evicted otherwise`, async () => {
      const { hub, reader, first } = await followed(1_000_000, { cacheMib: 0.5 }, dialects[0]);
      first.cursor.close();
      const readers = await Promise.all(
        dialects.map(async (dialect) => {
          const read: Buffer[] = [];
          const { cursor } = await join(hub, {
            dialect,
            listener: {
              onReadable: () => read.push(readAll(cursor)),
            },
          });
          return { dialect, read, cursor };
        }),
      );
      const payloads = Array.from({ length: 2000 }, (_, n) =>
        n % 500 === 7 ? `"${"x".repeat(100_000)}"` : "1",
      );
      reader.entries(entriesFrom(1_000_000, ...payloads));
      await nextTurn();
      for (const { dialect, read, cursor } of readers) {
        assert.equal(cursor.isLost, false, dialect);
        assert.deepEqual(Buffer.concat(read), framesOf(dialect, 1_000_000, ...payloads), dialect);
      }
    });
  }

  it("keeps no frames in memory for cursors that do not read", async () => {
    const cursors: Cursor[] = [];
    const log = memoryLog();
    const busy = hubOn({ log, cacheMib: 0.5 });
    const before = memoryInUse();
    for (let n = 0; n < 100; n++) {
      const { cursor } = await join(busy, {
        listener: {
          // As a connection that cannot write.
          onReadable: () => cursor.isLost,
        },
      });
      cursors.push(cursor);
      for (let m = 0; m < 5; m++)
        await busy.publish({ channel: CHANNEL, payload: JSON.stringify("x".repeat(60_000)) });
      await nextTurn();
    }
    // The log itself retains 4 MiB.
    await growsByLessThan(8 * 1024 * 1024, before);
    const [first, last] = [cursors[0], cursors.at(-1)];
    assert.ok(first !== undefined && last !== undefined);
    await readToEnd(first);
    assert.equal(first.isLost, true);
    assert.notEqual((await readToEnd(last)).length, 0);
    assert.equal(last.isLost, false);
    busy.close();
    await log.close();
  });

  it("reports the lag of the slowest reader of all channels", async () => {
    const hub = hubOn({ log: memoryLog() });
    assert.equal(hub.slowestLagBytes, 0);
    const joined = await Promise.all(["a", "b"].map((name) => join(hub, { channel: name })));
    await hub.publish({ channel: "a", payload: "1" });
    await hub.publish({ channel: "b", payload: "22" });
    assert.equal(hub.slowestLagBytes, framesOf("plain", 1, "22").length);
    joined[1]?.cursor.read();
    assert.equal(hub.slowestLagBytes, framesOf("plain", 1, "1").length);
    joined[0]?.cursor.close();
    assert.equal(hub.slowestLagBytes, 0);
  });

  it("measures the fan-out from the arrival of each batch", async () => {
    const seconds: number[] = [];
    const { reader } = await followed(1, {
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

  describe("flush", () => {
    it("resolves when the log has delivered the acknowledged messages", async () => {
      const { log, hub, reader } = await followed(1);
      const publishing = hub.publish({ channel: CHANNEL, payload: "1" });
      let flushed = false;
      const flushing = hub.flush().then(() => (flushed = true));
      await nextTurn();
      assert.equal(flushed, false, "resolved before the acknowledgement");
      const appended = { epoch: "e", offset: 1, duplicate: true };
      log.appends[0]?.answer.resolve(appended);
      assert.deepEqual(await publishing, appended);
      await nextTurn();
      assert.equal(flushed, false, "resolved before the delivery");
      reader.entries(entriesFrom(1, "1"));
      await flushing;
    });

    it("resolves when every earlier publish has a result, in any order and under continuous load", async () => {
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
      assert.deepEqual(flushed, [], "resolved before the oldest result");
      await settle(0);
      await Promise.all([first, second]);
    });

    it("resolves at once for a channel that is not read yet", async () => {
      const hub = hubOn({ log: new ManualLog() });
      void join(hub);
      await hub.flush();
    });

    it("resolves at once without publishes, and when the log begins a new epoch", async () => {
      const { log, hub, reader } = await followed(1);
      await hub.flush();
      const publishing = hub.publish({ channel: CHANNEL, payload: "1" });
      log.appends[0]?.answer.resolve({ epoch: "e", offset: 1, duplicate: false });
      await publishing;
      const flushing = hub.flush();
      reader.started({ epoch: "f", next: 1 });
      await flushing;
    });
  });

  it("keeps the frames of a dialect without readers for a while, and encodes no message for it later", async () => {
    mockTimeouts();
    const { log, hub, reader, first } = await followed(1, { lingerMs: 20 });
    let reads = 0;
    const { onRead } = log;
    log.onRead = (...args) => {
      reads += 1;
      return onRead(...args);
    };
    const resume = async (): Promise<Cursor> =>
      (await join(hub, { dialect: "channels", start: { epoch: "e", offset: 0 } })).cursor;
    (await resume()).close();
    reader.entries(entriesFrom(1, "1"));
    const one = await resume();
    const slice = one.read();
    assert.deepEqual(slice?.bytes, framesOf("channels", 1, "1"));
    one.close();
    mock.timers.tick(20);
    const again = await resume();
    assert.equal(again.read(), slice, "not the same slice");
    assert.equal(reads, 0);
    again.close();
    for (let sweep = 0; sweep < 2; sweep++) mock.timers.tick(20);
    const later = await resume();
    assert.equal(later.read(), undefined);
    assert.deepEqual(await readToEnd(later), slice.bytes);
    assert.deepEqual([reads, hub.channels], [1, 1]);
    assert.deepEqual(readAll(first.cursor), framesOf("plain", 1, "1"));
  });

  it("keeps a channel without readers for a while", async () => {
    mockTimeouts();
    const { log, hub, reader, first } = await followed(1, { lingerMs: 20 });
    first.cursor.close();
    first.cursor.close();
    reader.entries(entriesFrom(1, "1"));
    const again = await join(hub, { start: { epoch: "e", offset: 0 } });
    assert.deepEqual(readAll(again.cursor), framesOf("plain", 1, "1"));
    for (let sweep = 0; sweep < 2; sweep++) mock.timers.tick(20);
    assert.deepEqual([hub.channels, log.readers.size], [1, 1], "ended with a reader");
    again.cursor.close();
    mock.timers.tick(20);
    mock.timers.tick(19);
    assert.deepEqual([hub.channels, log.readers.size], [1, 1], "ended too early");
    mock.timers.tick(1);
    assert.deepEqual([hub.channels, log.readers.size], [0, 0]);
  });

  it("ends reading the log when it is closed", async () => {
    const { log, hub } = await followed(1);
    hub.close();
    hub.close();
    assert.deepEqual([hub.channels, log.readers.size], [0, 0]);
  });
});
