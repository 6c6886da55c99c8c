import assert from "node:assert/strict";

import type { ValkeyLog } from "../../../app/src/log/valkey/valkeyLog.ts";
import { LogRecorder } from "./logRecorder.ts";
import { useValkey } from "./valkeyFixture.ts";

const CHANNELS = 300;

describe("the Valkey log of a task with many channels", () => {
  const valkey = useValkey();
  let publisher: ValkeyLog;
  let reading: ValkeyLog;
  let recorders: ReadonlyMap<string, LogRecorder>;

  beforeEach(async () => {
    // A read blocks for longer than the tests. Every command is then sent for a message.
    [publisher, reading] = [valkey.open({ blockMs: 60_000 }), valkey.open({ blockMs: 60_000 })];
    const names = Array.from({ length: CHANNELS }, (_, n) => `channel-${n}`);
    recorders = new Map(names.map((name) => [name, new LogRecorder()]));
    for (const [name, recorder] of recorders) recorder.stop = reading.subscribe(name, recorder);
    await Promise.all(Array.from(recorders.values(), (recorder) => recorder.begun()));
  });

  it("reads all channels, also after some were left and others were joined", async () => {
    await Promise.all(
      Array.from(recorders.keys(), (name) => publisher.append({ channel: name, record: name })),
    );
    for (const [name, recorder] of recorders) {
      await recorder.length(1);
      assert.deepEqual(recorder.records, [name]);
    }
    const names = [...recorders.keys()];
    const [left, kept] = [names.filter((_, n) => n % 2 === 0), names.filter((_, n) => n % 2 === 1)];
    for (const name of left) recorders.get(name)?.stop();
    const comers = left.map((name) => [name, new LogRecorder()] as const);
    for (const [name, recorder] of comers) reading.subscribe(`new-${name}`, recorder);
    await Promise.all(comers.map(([, recorder]) => recorder.begun()));
    await Promise.all([
      ...names.map((name) => publisher.append({ channel: name, record: "2" })),
      ...comers.map(([name]) => publisher.append({ channel: `new-${name}`, record: "1" })),
    ]);
    for (const name of kept) await recorders.get(name)?.length(2);
    for (const [, recorder] of comers) await recorder.length(1);
    for (const name of left) assert.deepEqual(recorders.get(name)?.records, [name]);
  });

  it("sends the keys of few channels to Valkey for each message", async () => {
    const [first] = recorders;
    assert.ok(first);
    const [name, recorder] = first;
    const receivedBytes = async (): Promise<number> => {
      const [, bytes] =
        /total_net_input_bytes:(\d+)/.exec(String(await valkey.server.command("INFO", "stats"))) ?? [];
      return Number(bytes);
    };
    const messages = 20;
    const before = await receivedBytes();
    for (let n = 1; n <= messages; n++) {
      await publisher.append({ channel: name, record: "x".repeat(20) });
      await recorder.length(n);
    }
    const perMessage = ((await receivedBytes()) - before) / messages;
    // The keys of all channels have about 18,000 bytes.
    assert.ok(perMessage < 5000, `${perMessage} bytes`);
  });
});
