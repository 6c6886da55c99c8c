import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";

import fc from "fast-check";

import { textFrame } from "../../app/src/frame.ts";
import { createHub } from "../../app/src/hub.ts";
import type { Hub } from "../../app/src/hub.ts";
import type { LogReader, MessageLog } from "../../app/src/log/log.ts";
import { createMemoryLog } from "../../app/src/log/memory.ts";
import { RetainedWindow } from "../../app/src/retainedWindow.ts";
import { silent } from "./support.ts";

const frameOf = (json: string): Buffer => textFrame(`{"message":${json}}`);
const nothing = (): void => undefined;

describe("the hub", () => {
  const retainedBytes = 1024;
  const hubOn = (log: MessageLog): Hub => createHub({ log, retainedBytes, logger: silent });
  const memory = (): MessageLog => createMemoryLog({ retainedBytes });

  /** A log whose acknowledgements and entries come when the test says so, as those of a remote one do. */
  function manualLog(): {
    log: MessageLog;
    reader: () => LogReader;
    acknowledge: (offset: number) => void;
    stopped: () => boolean;
  } {
    const acknowledgements: ((appended: { offset: number; duplicate: boolean }) => void)[] = [];
    let reader: LogReader | undefined;
    let stopped = false;
    return {
      log: {
        epoch: "e",
        append: () => new Promise((resolve) => acknowledgements.push(resolve)),
        subscribe(_channel, _from, given) {
          reader = given;
          stopped = false;
          return () => (stopped = true);
        },
        close: () => Promise.resolve(),
      },
      reader() {
        assert.ok(reader !== undefined);
        return reader;
      },
      acknowledge(offset) {
        acknowledgements.shift()?.({ offset, duplicate: false });
      },
      stopped: () => stopped,
    };
  }

  it("encodes a message once for all readers", async () => {
    const hub = hubOn(memory());
    const [a, b] = [await hub.subscribe("c", nothing), await hub.subscribe("c", nothing)];
    assert.equal(await hub.publish("c", "1"), 1);
    const [fromA, fromB] = [a.read(Infinity), b.read(Infinity)];
    assert.deepEqual(fromA, frameOf("1"));
    assert.equal(fromA, fromB, "the same buffer");
    assert.equal(a.read(Infinity), undefined);
  });

  it("joins what came in one turn once for all readers that keep up, and for each that does not", async () => {
    const hub = hubOn(memory());
    const [a, b, late] = [
      await hub.subscribe("c", nothing),
      await hub.subscribe("c", nothing),
      await hub.subscribe("c", nothing),
    ];
    await hub.publish("c", "1");
    for (const cursor of [a, b]) cursor.read(Infinity);
    for (const json of ["2", "3"]) await hub.publish("c", json);
    const joined = a.read(Infinity);
    assert.deepEqual(joined, Buffer.concat([frameOf("2"), frameOf("3")]));
    assert.equal(joined, b.read(Infinity), "the same buffer");
    assert.deepEqual(late.read(Infinity), Buffer.concat(["1", "2", "3"].map(frameOf)));
  });

  it("wakes each reader once for all that came in one turn", async () => {
    const hub = hubOn(memory());
    let wakes = 0;
    const cursor = await hub.subscribe("c", () => wakes++);
    for (let n = 0; n < 5; n++) void hub.publish("c", String(n));
    assert.equal(wakes, 0);
    await nextTurn();
    assert.equal(wakes, 1);
    assert.deepEqual(cursor.read(Infinity), Buffer.concat(["0", "1", "2", "3", "4"].map(frameOf)));
  });

  it("wakes readers early rather than evict what they could have read", async () => {
    const hub = hubOn(memory());
    const read: Buffer[] = [];
    const cursor = await hub.subscribe("c", () => read.push(cursor.read(Infinity) ?? Buffer.of()));
    const texts = Array.from({ length: 1000 }, (_, n) => String(n));
    for (const text of texts) void hub.publish("c", text);
    await nextTurn();
    assert.deepEqual(Buffer.concat(read), Buffer.concat(texts.map(frameOf)));
    assert.equal(cursor.state, "open");
  });

  it("wakes readers before a large frame evicts what they could have read", async () => {
    const hub = hubOn(memory());
    const read: Buffer[] = [];
    const cursor = await hub.subscribe("c", () => read.push(cursor.read(Infinity) ?? Buffer.of()));
    const large = JSON.stringify("x".repeat(retainedBytes));
    void hub.publish("c", "1");
    void hub.publish("c", large);
    void hub.publish("c", "2");
    await nextTurn();
    assert.deepEqual(Buffer.concat(read), Buffer.concat(["1", large, "2"].map(frameOf)));
  });

  it("gives slices of whole frames, and at least one", async () => {
    const hub = hubOn(memory());
    const cursor = await hub.subscribe("c", nothing);
    for (const json of ["1", "2", '"a long one"']) await hub.publish("c", json);
    const length = frameOf("1").length;
    assert.deepEqual(cursor.read(2 * length + 1), Buffer.concat([frameOf("1"), frameOf("2")]));
    assert.deepEqual(cursor.read(1), frameOf('"a long one"'));
  });

  it("loses a cursor whose next frame is evicted, and says so", async () => {
    const hub = hubOn(memory());
    const cursor = await hub.subscribe("c", nothing);
    const size = frameOf("1").length;
    const fitting = Math.floor(retainedBytes / size);
    for (let n = 0; n < fitting; n++) await hub.publish("c", "1");
    assert.equal(cursor.state, "open");
    await hub.publish("c", "1");
    assert.equal(cursor.state, "lost");
    assert.equal(cursor.read(Infinity), undefined);
  });

  it("joins a reader only when the log is being read", async () => {
    const { log, reader } = manualLog();
    const hub = hubOn(log);
    let joined = false;
    const joining = hub.subscribe("c", nothing).then((cursor) => ((joined = true), cursor));
    await nextTurn();
    assert.equal(joined, false);
    reader().started(7);
    const cursor = await joining;
    reader().entries([{ offset: 7, payload: "1" }]);
    assert.deepEqual(cursor.read(Infinity), frameOf("1"));
  });

  it("flushes when what was acknowledged has also come back from the log", async () => {
    const { log, reader, acknowledge } = manualLog();
    const hub = hubOn(log);
    const joining = hub.subscribe("c", nothing);
    reader().started(1);
    await joining;
    void hub.publish("c", "1");
    let flushed = false;
    const flushing = hub.flush().then(() => (flushed = true));
    await nextTurn();
    assert.equal(flushed, false, "not acknowledged");
    acknowledge(1);
    await nextTurn();
    assert.equal(flushed, false, "not back yet");
    reader().entries([{ offset: 1, payload: "1" }]);
    await flushing;
  });

  it("flushes when the log fails", async () => {
    const { log, reader, acknowledge } = manualLog();
    const hub = hubOn(log);
    const joining = hub.subscribe("c", nothing);
    reader().started(1);
    await joining;
    const publishing = hub.publish("c", "1");
    acknowledge(1);
    await publishing;
    const flushing = hub.flush();
    reader().failed(new Error("broken"));
    await flushing;
  });

  it("wakes its readers and breaks their cursors when the log fails, and starts anew for the next", async () => {
    const { log, reader } = manualLog();
    const hub = hubOn(log);
    let wakes = 0;
    const joining = hub.subscribe("c", () => wakes++);
    reader().started(1);
    const cursor = await joining;
    reader().failed(new Error("broken"));
    assert.equal(cursor.state, "broken");
    assert.equal(wakes, 1);
    cursor.close();

    const again = hub.subscribe("c", nothing);
    reader().started(5);
    assert.equal((await again).state, "open");
  });

  it("stops reading a channel with its last reader", async () => {
    const { log, reader, stopped } = manualLog();
    const hub = hubOn(log);
    const joining = [hub.subscribe("c", nothing), hub.subscribe("c", nothing)] as const;
    reader().started(1);
    const [a, b] = await Promise.all(joining);
    a.close();
    a.close();
    assert.equal(stopped(), false);
    b.close();
    assert.equal(stopped(), true);
  });
});

describe("the retained window", () => {
  it("holds the newest items that fit, under their offsets", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(50), { maxLength: 5000 }),
        fc.integer({ min: 1, max: 300 }),
        fc.nat(1000),
        (sizes, maxBytes, first) => {
          const window = new RetainedWindow<{ size: number }>(first, maxBytes, ({ size }) => size);
          const items = sizes.map((size) => ({ size }));
          items.forEach((item, n) => {
            assert.equal(window.push(item), first + n);
          });
          assert.equal(window.end, first + items.length);

          let bytes = 0;
          let kept = 0;
          for (const { size } of items.toReversed()) {
            bytes += size;
            if (bytes > maxBytes && kept > 0) break;
            kept++;
          }
          assert.equal(window.first, window.end - kept);
          items.forEach((item, n) => {
            const retained = first + n >= window.first;
            assert.equal(window.at(first + n), retained ? item : undefined);
          });
          assert.equal(window.at(window.end), undefined);
          assert.equal(window.at(first - 1), undefined);
        },
      ),
      { numRuns: 50 },
    );
  });
});
