import assert from "node:assert/strict";

import { FORMAT_KEY } from "../../../app/src/log/valkey/connection/partitions.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import { channel, follow, keysOf, STREAM_KEY, untilStored, useValkey } from "./valkeyFixture.ts";

const RECORD_KEY = keysOf(channel).record;

describe("the Valkey log", () => {
  const valkey = useValkey();

  it("starts again in the same epoch if entries were dropped before it could read them", async () => {
    const proxy = await valkey.proxied();
    const log = valkey.open({ url: proxy.url, retainedMessages: 100 });
    const reader = await follow(log);
    const { epoch } = await log.append({ channel, record: "1" });
    await reader.length(1);
    await proxy.close();

    const other = valkey.open({ retainedMessages: 100 });
    await Promise.all(
      Array.from({ length: 999 }, (_, n) => other.append({ channel, record: String(n + 2) })),
    );
    await valkey.proxied(proxy.port);
    await reader.until(() => reader.records.at(-1) === "1000");
    assert.deepEqual([reader.epoch, reader.starts], [epoch, 2]);
    assert.ok(reader.from > 2);
  });

  it("creates no stream for a channel that is only read, and refreshes it no longer than that", async () => {
    const retainedSeconds = 1;
    const log = valkey.open({ retainedSeconds });
    const reader = await follow(log);
    assert.equal(await valkey.server.command("EXISTS", STREAM_KEY), 0);
    const keys = await valkey.server.command("KEYS", `*${channel}`);
    assert.deepEqual(keys, [RECORD_KEY]);
    assert.ok(Number(await valkey.server.command("MEMORY", "USAGE", RECORD_KEY)) < 512);
    reader.stop();
    const expiryMs = async (): Promise<number> => Number(await valkey.server.command("PTTL", RECORD_KEY));
    const before = await expiryMs();
    // A refresh, which comes four times in that time, would renew it.
    await waitUntil(async () => (await expiryMs()) < before - retainedSeconds * 1000);
    assert.equal((await log.append({ channel, record: "first" })).epoch, reader.epoch);
  });

  it("reads little more than the page of large entries that is requested", async () => {
    const log = valkey.open();
    const BYTES = 60_000;
    const appended = await Promise.all(
      Array.from({ length: 40 }, () => log.append({ channel, record: "x".repeat(BYTES) })),
    );
    const epoch = appended[0]?.epoch ?? "";
    const reader = await follow(log);
    await reader.length(appended.length);
    const sentBytes = async (): Promise<number> =>
      Number(
        /^total_net_output_bytes:(\d+)/m.exec(String(await valkey.server.command("INFO", "stats")))?.[1],
      );
    const before = await sentBytes();
    const PAGES = 20;
    for (let next = 1; next <= PAGES; next++) {
      const { entries } = await log.read(channel, { epoch, next }, 64 * 1024);
      assert.deepEqual([entries.length, entries[0]?.offset], [1, next]);
    }
    const perPage = ((await sentBytes()) - before) / PAGES;
    assert.ok(perPage < 1.5 * BYTES, `${perPage} bytes per page of one entry`);
  });

  it("stores only keys that expire", async () => {
    const log = valkey.open();
    const reader = await follow(log);
    await log.append({ channel, record: "x", id: "id" });
    await follow(log);
    await log.registry.report(1);
    await reader.length(1);
    const keys = await valkey.server.command("KEYS", "*");
    assert.ok(Array.isArray(keys) && keys.length >= 3, String(keys));
    for (const key of keys.filter((key) => key !== FORMAT_KEY))
      assert.ok(Number(await valkey.server.command("PTTL", String(key))) > 0, String(key));
  });

  it("returns the connections of all tasks that have not ended", async () => {
    const [one, two] = [valkey.open(), valkey.open()];
    await untilStored(() => one.registry.report(3));
    await untilStored(() => two.registry.report(4));
    assert.deepEqual([...(await one.registry.report(5))].sort(), [4, 5]);
    await two.close();
    assert.deepEqual(await one.registry.report(5), [5]);
  });
});
