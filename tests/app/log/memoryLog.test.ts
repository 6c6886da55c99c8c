import assert from "node:assert/strict";

import { IdInUseError } from "../../../app/src/log/log.ts";
import type { LogPage, MessageLog, Retention } from "../../../app/src/log/log.ts";
import { createMemoryLog } from "../../../app/src/log/memory/memoryLog.ts";

describe("the memory log", () => {
  const retention = { retainedMessages: 100, retainedBytes: 1000, retainedSeconds: 10 };
  const open = (changes: Partial<Retention> = {}, now = (): number => performance.now()): MessageLog =>
    createMemoryLog({ retentionOf: () => ({ ...retention, ...changes }), now });

  it("begins a new epoch for a channel that was unused for the retention time", async () => {
    const log = open({ retainedSeconds: 0.05 });
    const { epoch } = await log.append({ channel: "c", record: "x" });
    let position = await log.end("c");
    // Each call of `end` is a use, so that the next wait is longer.
    for (let ms = 60; position.epoch === epoch; ms *= 2) {
      await new Promise((resolve) => setTimeout(resolve, ms));
      position = await log.end("c");
    }
    assert.equal(position.next, 1);
    await log.close();
  });

  it("retains each entry for its whole time, also after an older one", async () => {
    let nowMs = 0;
    const log = open({ retainedSeconds: 300 }, () => nowMs);
    await log.append({ channel: "c", record: "older" });
    nowMs = 30_000;
    await log.append({ channel: "c", record: "newer" });
    nowMs = 310_000;
    const { epoch } = await log.end("c");
    const read = (): Promise<LogPage> => log.read("c", { epoch, next: 1 }, 1000);
    assert.equal((await read()).entries.at(-1)?.record, "newer");
    nowMs = 331_000;
    assert.deepEqual(await read(), { from: { epoch, next: 3 }, entries: [] });
    await log.close();
  });

  it("keeps an id for longer than its entry", async () => {
    const log = open({ retainedBytes: 10 });
    const first = await log.append({ channel: "c", record: "12345", id: "id" });
    await log.append({ channel: "c", record: "1234567890" });
    assert.deepEqual(await log.append({ channel: "c", record: "12345", id: "id" }), {
      ...first,
      duplicate: true,
    });
    // Otherwise this message would be acknowledged, and not stored.
    await assert.rejects(async () => log.append({ channel: "c", record: "54321", id: "id" }), IdInUseError);
    await log.close();
  });

  it("drops ids beyond the number of entries that it retains, and beyond their age", async () => {
    let now = 0;
    const log = open({}, () => now);
    const append = async (id: string): Promise<boolean> =>
      (await log.append({ channel: "c", record: "x", id })).duplicate;
    const ids = Array.from({ length: 1000 }, (_, n) => `id-${n}`);
    for (const id of ids) assert.equal(await append(id), false);
    const isKept: boolean[] = [];
    for (const id of ids.slice(-retention.retainedMessages)) isKept.push(await append(id));
    assert.deepEqual(new Set(isKept), new Set([true]));
    assert.equal(await append("id-0"), false);
    assert.equal(await append("id-901"), true);
    assert.equal(await append("id-900"), false);

    now = retention.retainedSeconds * 1000 + 1;
    // A read drops old ids before it begins.
    await log.read("c", { epoch: "", next: 1 }, 1000);
    assert.equal(await append("id-999"), false);
    await log.close();
  });

  it("has epochs of its own", async () => {
    const logs = [open(), open()];
    const ends = await Promise.all(logs.map((log) => log.end("c")));
    assert.notEqual(ends[0]?.epoch, ends[1]?.epoch);
    await Promise.all(logs.map((log) => log.close()));
  });
});
