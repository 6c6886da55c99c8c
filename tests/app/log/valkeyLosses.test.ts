import assert from "node:assert/strict";

import { waitUntil } from "../../support/waitUntil.ts";
import { channel, follow, STREAM_KEY, useValkey } from "./valkeyFixture.ts";

describe("the Valkey log after a loss", () => {
  const valkey = useValkey();

  it("begins a new epoch if the server restarts without its data", async () => {
    const log = valkey.open();
    const reader = await follow(log);
    const first = await log.append({ channel, record: "lost" });
    await reader.length(1);
    await valkey.server.kill();
    await valkey.server.start();
    await reader.until(() => reader.starts === 2);
    assert.notEqual(reader.epoch, first.epoch);
    assert.deepEqual([reader.from, reader.end], [1, 1]);
    assert.deepEqual(await log.append({ channel, record: "new" }), {
      epoch: reader.epoch,
      offset: 1,
      duplicate: false,
    });
    await reader.length(2);
    assert.deepEqual(reader.records, ["lost", "new"]);
  });

  it("begins a new epoch if the server restarts without the newest entries", async () => {
    const log = valkey.open();
    const reader = await follow(log);
    const first = await log.append({ channel, record: "kept" });
    await valkey.server.command("SAVE");
    await log.append({ channel, record: "lost" });
    await reader.length(2);
    await valkey.server.kill();
    await valkey.server.start();
    await reader.until(() => reader.starts === 2);
    assert.notEqual(reader.epoch, first.epoch);
    assert.equal((await log.append({ channel, record: "new" })).epoch, reader.epoch);
    await reader.until(() => reader.records.at(-1) === "new");
  });

  it("begins a new epoch if another task has appended in the place of lost entries", async () => {
    const proxy = await valkey.proxied();
    const log = valkey.open({ url: proxy.url });
    const reader = await follow(log);
    const first = await log.append({ channel, record: "kept" });
    await valkey.server.command("SAVE");
    await log.append({ channel, record: "lost" });
    await reader.length(2);
    await proxy.close();
    await valkey.server.kill();
    await valkey.server.start();

    const other = valkey.open();
    const second = await other.append({ channel, record: "in its place" });
    assert.deepEqual([second.epoch, second.offset], [first.epoch, 2]);
    await valkey.proxied(proxy.port);
    await reader.until(() => reader.starts === 2);
    assert.notEqual(reader.epoch, first.epoch);
    // The other task notices the epoch, too.
    assert.equal((await other.append({ channel, record: "new" })).epoch, reader.epoch);
    await reader.until(() => reader.records.at(-1) === "new");
  });

  it("begins a new epoch if an entry is lost that only its publisher has seen", async () => {
    const log = valkey.open();
    const first = await log.append({ channel, record: "kept" });
    await valkey.server.command("SAVE");
    await log.append({ channel, record: "lost" });
    await valkey.server.kill();
    await valkey.server.start();
    const reader = await follow(log);
    assert.notEqual(reader.epoch, first.epoch);
  });

  it("begins a new epoch if entries are lost without a lost connection", async () => {
    const log = valkey.open();
    const reader = await follow(log);
    const { epoch } = await log.append({ channel, record: "1" });
    await log.append({ channel, record: "2" });
    await reader.length(2);
    await valkey.server.command("DEL", STREAM_KEY);
    await valkey.server.command("XADD", STREAM_KEY, `${epoch}-0`, "", "");

    await assert.rejects(log.append({ channel, record: "plain" }), /lost/);
    const third = await log.append({ channel, record: "with id", id: "id" });
    assert.notEqual(third.epoch, epoch);
    await reader.until(() => reader.records.at(-1) === "with id");
    assert.deepEqual([reader.epoch, reader.starts], [third.epoch, 2]);
  });

  it("begins a new epoch if the server has lost the channel", async () => {
    const log = valkey.open();
    const reader = await follow(log);
    const first = await log.append({ channel, record: "1" });
    await reader.length(1);
    await valkey.server.command("DEL", STREAM_KEY);
    const [second, third] = await Promise.all([
      log.append({ channel, record: "2" }),
      log.append({ channel, record: "3", id: "id" }),
    ]);
    assert.notEqual(second.epoch, first.epoch);
    assert.deepEqual([second.offset, third.offset], [1, 2]);
    await reader.length(3);
    assert.deepEqual([reader.records, reader.starts], [["1", "2", "3"], 2]);
  });

  it("trims a new epoch", async () => {
    const log = valkey.open({ retainedMessages: 10_000, retainedBytes: 64 * 1024 });
    const reader = await follow(log);
    const record = "x".repeat(8 * 1024);
    const isTrimmed = async (): Promise<boolean> =>
      Number(await valkey.server.command("XLEN", STREAM_KEY)) <= 20;
    const fill = async (count: number): Promise<void> => {
      for (let n = 0; n < count; n++) await log.append({ channel, record, id: `${count}-${n}` });
      await reader.until(() => reader.current.length === count);
    };
    await fill(64);
    await waitUntil(isTrimmed);
    await valkey.server.command("FLUSHALL");
    // Fewer than before the loss: the known offset of the lost epoch would prevent the trim.
    await fill(40);
    await waitUntil(isTrimmed);
  });

  it("begins a new epoch without an append", async () => {
    const log = valkey.open({ retainedSeconds: 1 });
    const reader = await follow(log);
    await log.append({ channel, record: "1" });
    await valkey.server.command("DEL", STREAM_KEY);
    await reader.until(() => reader.starts === 2);
  });

  it("begins a new epoch when the end of a lost channel is requested", async () => {
    const log = valkey.open();
    const reader = await follow(log);
    await log.append({ channel, record: "1" });
    await reader.length(1);
    await valkey.server.command("FLUSHALL");
    const { epoch } = await log.end(channel);
    assert.deepEqual([reader.starts, reader.epoch, reader.from], [2, epoch, 1]);
    await log.append({ channel, record: "2" });
    await reader.length(2);
    assert.deepEqual([reader.records, reader.starts], [["1", "2"], 2]);
  });

  it("begins a newer epoch if the server restarts with an older one", async () => {
    const log = valkey.open();
    const reader = await follow(log);
    await log.append({ channel, record: "1" });
    await valkey.server.command("SAVE");
    await valkey.server.command("DEL", STREAM_KEY);
    const second = await log.append({ channel, record: "2", id: "id" });
    await reader.until(() => reader.records.at(-1) === "2");
    await valkey.server.kill();
    await valkey.server.start();
    await reader.until(() => reader.starts === 3);
    const third = await log.append({ channel, record: "3" });
    assert.ok(Number(third.epoch) > Number(second.epoch));
    await reader.until(() => reader.records.at(-1) === "3");
    assert.deepEqual([reader.epoch, reader.starts], [third.epoch, 3]);
  });

  for (const [loss, lose] of Object.entries({
    "is lost": () => valkey.server.command("DEL", STREAM_KEY),
    "has lost an entry": async (epoch: string) => {
      await valkey.server.command("DEL", STREAM_KEY);
      await valkey.server.command("XADD", STREAM_KEY, `${epoch}-0`, "", "");
    },
  })) {
    it(`begins an epoch above one that is ahead of the server's clock if a channel ${loss}`, async () => {
      const ahead = String(Date.now() + 3_600_000);
      await valkey.server.command("XADD", STREAM_KEY, `${ahead}-0`, "", "");
      const log = valkey.open();
      const first = await log.append({ channel, record: "1", id: "1" });
      assert.deepEqual(first, { epoch: ahead, offset: 1, duplicate: false });
      await lose(ahead);
      const second = await log.append({ channel, record: "2", id: "2" });
      assert.deepEqual([Number(second.epoch) > Number(ahead), second.offset], [true, 1]);
      const reader = await follow(log);
      await reader.length(1);
      assert.deepEqual([reader.epoch, reader.from, reader.records], [second.epoch, 1, ["2"]]);
    });
  }
});
