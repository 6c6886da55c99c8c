import assert from "node:assert/strict";

import type { ValkeyLog } from "../../../app/src/log/valkey/valkeyLog.ts";
import { LogRecorder } from "./logRecorder.ts";
import { useValkey } from "./valkeyFixture.ts";
import { subscribeTo } from "./subscribeTo.ts";

const CHANNELS = 5000;
/** Channels that receive messages. The first message of a channel needs a lease. */
const USED_CHANNELS = 500;

/** One command per partition for subscriptions, and two scripts, with some more for channels that are located twice. */
const MAX_COMMANDS = 400;

/** Maximum time to follow all channels, in milliseconds: far less than with one request at a time. */
const MAX_FOLLOW_MS = 5000;

describe("the Valkey log of a task with many channels", () => {
  const valkey = useValkey();
  let publisher: ValkeyLog;
  let reading: ValkeyLog;
  let recorders: ReadonlyMap<string, LogRecorder>;
  let commandsToFollow: number;
  let followMs: number;

  beforeEach(async () => {
    [publisher, reading] = [valkey.open({ publishTimeoutSeconds: 20 }), valkey.open()];
    await Promise.all([publisher.end("c"), reading.end("c")]);
    const names = Array.from({ length: CHANNELS }, (_, n) => `channel-${n}`);
    recorders = new Map(names.map((name) => [name, new LogRecorder()]));
    const before = await stats();
    const since = performance.now();
    for (const [name, recorder] of recorders) recorder.stop = subscribeTo(reading, name, recorder);
    await Promise.all(Array.from(recorders.values(), (recorder) => recorder.begun()));
    followMs = performance.now() - since;
    commandsToFollow = (await stats()).requests - before.requests;
  });

  /** Returns the number of requests of clients, and of bytes in and out. */
  async function stats(): Promise<{ requests: number; bytes: number }> {
    const commands = String(await valkey.server.command("INFO", "commandstats"));
    const calls = (name: string): number =>
      Number(new RegExp(`^cmdstat_${name}:calls=(\\d+)`, "m").exec(commands)?.[1] ?? 0);
    const info = String(await valkey.server.command("INFO", "stats"));
    const bytes = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1]);
    return {
      requests: ["eval", "evalsha", "ssubscribe", "xread"].reduce((sum, name) => sum + calls(name), 0),
      bytes: bytes("total_net_input_bytes") + bytes("total_net_output_bytes"),
    };
  }

  it("follows all channels in few commands", () => {
    assert.ok(commandsToFollow <= MAX_COMMANDS, `${commandsToFollow} commands`);
    assert.ok(followMs <= MAX_FOLLOW_MS, `${followMs} ms`);
  });

  it("reads them, also after some were left and others were joined", async () => {
    const names = [...recorders.keys()].slice(0, USED_CHANNELS);
    const ofName = (name: string): LogRecorder => recorders.get(name) ?? assert.fail(name);
    await Promise.all(names.map((name) => publisher.append({ channel: name, record: name })));
    for (const name of names) {
      await ofName(name).length(1);
      assert.deepEqual(ofName(name).records, [name]);
    }
    const [left, kept] = [names.filter((_, n) => n % 2 === 0), names.filter((_, n) => n % 2 === 1)];
    for (const name of left) ofName(name).stop();
    const comers = left.map((name) => [name, new LogRecorder()] as const);
    for (const [name, recorder] of comers) reading.subscribe(`new-${name}`, recorder);
    await Promise.all(comers.map(([, recorder]) => recorder.begun()));
    await Promise.all([
      ...names.map((name) => publisher.append({ channel: name, record: "2" })),
      ...comers.map(([name]) => publisher.append({ channel: `new-${name}`, record: "1" })),
    ]);
    for (const name of kept) await ofName(name).length(2);
    for (const [, recorder] of comers) await recorder.length(1);
    for (const name of left) assert.deepEqual(ofName(name).records, [name]);
  });

  it("exchanges little more than the message with Valkey, however many channels it follows", async () => {
    const [first] = recorders;
    assert.ok(first);
    const [name, recorder] = first;
    // The first append also obtains a lease.
    await publisher.append({ channel: name, record: "0" });
    await recorder.length(1);
    const messages = 100;
    const before = await stats();
    for (let n = 1; n <= messages; n++) {
      await publisher.append({ channel: name, record: "x".repeat(20) });
      await recorder.length(n + 1);
    }
    const after = await stats();
    const perMessage = (after.bytes - before.bytes) / messages;
    // The keys of all channels have about 200,000 bytes. Verification names a tenth of them every second.
    assert.ok(perMessage < 2000, `${perMessage} bytes`);
  });
});
