import assert from "node:assert/strict";

import { createValkeyLog } from "../../../app/src/log/valkey/valkeyLog.ts";
import type { ValkeyLog } from "../../../app/src/log/valkey/valkeyLog.ts";
import { requireValkey, startValkey } from "../../support/valkey.ts";
import type { TestValkey } from "../../support/valkey.ts";
import { LogRecorder } from "../log/logRecorder.ts";
import { afterwards, silent, tearDown } from "../support/teardown.ts";

const CHANNELS = 300;

describe("the Valkey log of a task with many channels", () => {
  let valkey: TestValkey;
  let publisher: ValkeyLog;
  let reading: ValkeyLog;
  let recorders: ReadonlyMap<string, LogRecorder>;

  beforeEach(async function () {
    valkey = await startValkey(await requireValkey(this));
    afterwards(() => valkey.close());
    [publisher, reading] = [open(), open()];
    const names = Array.from({ length: CHANNELS }, (_, n) => `channel-${n}`);
    recorders = new Map(names.map((name) => [name, new LogRecorder()]));
    for (const [name, recorder] of recorders) recorder.stop = reading.subscribe(name, recorder);
    await Promise.all(Array.from(recorders.values(), (recorder) => recorder.begun()));
  });

  afterEach(tearDown);

  function open(): ValkeyLog {
    const log = createValkeyLog({
      ...valkey.address,
      retainedMessages: 1000,
      retainedBytes: 1024 * 1024,
      retainedSeconds: 300,
      // Longer than the tests: what is sent to Valkey is sent for a message.
      blockMs: 60_000,
      publishTimeoutSeconds: 5,
      logger: silent,
    });
    afterwards(() => log.close());
    return log;
  }

  it("reads them all, and goes on with the others where some are left and others come", async () => {
    await Promise.all(
      Array.from(recorders.keys(), (name) => publisher.append({ channel: name, payload: name })),
    );
    for (const [name, recorder] of recorders) {
      await recorder.length(1);
      assert.deepEqual(recorder.payloads, [name]);
    }
    const names = [...recorders.keys()];
    const [left, kept] = [names.filter((_, n) => n % 2 === 0), names.filter((_, n) => n % 2 === 1)];
    for (const name of left) recorders.get(name)?.stop();
    const comers = left.map((name) => [name, new LogRecorder()] as const);
    for (const [name, recorder] of comers) reading.subscribe(`new-${name}`, recorder);
    await Promise.all(comers.map(([, recorder]) => recorder.begun()));
    await Promise.all([
      ...names.map((name) => publisher.append({ channel: name, payload: "2" })),
      ...comers.map(([name]) => publisher.append({ channel: `new-${name}`, payload: "1" })),
    ]);
    for (const name of kept) await recorders.get(name)?.length(2);
    for (const [, recorder] of comers) await recorder.length(1);
    for (const name of left) assert.deepEqual(recorders.get(name)?.payloads, [name]);
  });

  it("sends Valkey the names of few of them for each message", async () => {
    const [first] = recorders;
    assert.ok(first);
    const [name, recorder] = first;
    const receivedBytes = async (): Promise<number> => {
      const [, bytes] =
        /total_net_input_bytes:(\d+)/.exec(String(await valkey.command("INFO", "stats"))) ?? [];
      return Number(bytes);
    };
    const messages = 20;
    const before = await receivedBytes();
    for (let n = 1; n <= messages; n++) {
      await publisher.append({ channel: name, payload: "x".repeat(20) });
      await recorder.length(n);
    }
    const perMessage = ((await receivedBytes()) - before) / messages;
    // All of their names are some 18,000 bytes.
    assert.ok(perMessage < 5000, `${perMessage} bytes`);
  });
});
