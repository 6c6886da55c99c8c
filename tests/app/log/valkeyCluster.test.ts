/** The Valkey log on a cluster with two primaries. */
import assert from "node:assert/strict";

import { Redis } from "iovalkey";

import type { Cluster } from "../../../bench/backplanes/cluster.ts";
import { startCluster } from "../../../bench/backplanes/cluster.ts";
import { createValkeyLog } from "../../../app/src/log/valkey/valkeyLog.ts";
import type { ValkeyLog } from "../../../app/src/log/valkey/valkeyLog.ts";
import { partitionOf, PARTITION_SLOTS } from "../../../app/src/log/valkey/connection/partitions.ts";
import { requireValkey } from "../../support/valkey.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import { afterwards, silent, tearDown } from "../support/teardown.ts";
import { Publisher } from "./publisher.ts";
import { follow } from "./valkeyFixture.ts";

const CHANNELS = Array.from({ length: 40 }, (_, n) => `channel-${n}`);

describe("the Valkey log on a cluster with two primaries", () => {
  let cluster: Cluster;

  beforeEach(async function () {
    this.timeout(60_000);
    await requireValkey(this);
    cluster = await startCluster(2);
    afterwards(() => cluster.close());
  });

  afterEach(tearDown);

  const open = (): ValkeyLog => {
    const retention = { retainedMessages: 10_000, retainedBytes: 1024 * 1024, retainedSeconds: 300 };
    const log = createValkeyLog({
      url: `redis://127.0.0.1:${cluster.ports[0]}`,
      cluster: true,
      retentionOf: () => retention,
      publishTimeoutSeconds: 10,
      logger: silent,
    });
    afterwards(() => log.close());
    return log;
  };

  const admin = (index: number): Redis => {
    const client = new Redis(cluster.ports[index] ?? assert.fail("no node"), "127.0.0.1");
    afterwards(() => {
      client.disconnect();
    });
    return client;
  };

  /** Moves the slot of a channel to the other primary, with its keys. */
  async function moveSlotOf(channel: string): Promise<void> {
    const slot = PARTITION_SLOTS[partitionOf(channel)] ?? assert.fail("no slot");
    const from = cluster.nodeOf(slot);
    const [source, target] = [admin(from), admin(1 - from)];
    const id = String(await target.call("CLUSTER", "MYID"));
    await source.call("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", id);
    await waitUntil(async () => {
      const slots = (await source.call("CLUSTER", "SLOTS")) as readonly [number, number, [string, number]][];
      const range = slots.find(([first, last]) => first <= slot && slot <= last);
      return range?.[2][1] === cluster.ports[1 - from];
    });
  }

  it("uses both primaries", async () => {
    const [log, other] = [open(), open()];
    const readers = await Promise.all(CHANNELS.map((name) => follow(other, name)));
    await Promise.all(CHANNELS.map((channel) => log.append({ channel, record: channel, id: channel })));
    for (const [n, reader] of readers.entries()) {
      await reader.length(1);
      assert.deepEqual(reader.records, [CHANNELS[n]]);
    }
    for (const { commands } of await cluster.counters()) {
      for (const command of ["xadd", "ssubscribe", "spublish"]) {
        assert.ok((commands.get(command)?.calls ?? 0) > 0, command);
      }
    }
  });

  it("loses and doubles no message while a slot moves to the other primary and back", async function () {
    this.timeout(60_000);
    const logs = [open(), open()];
    const [channel = ""] = CHANNELS;
    const readers = await Promise.all(logs.map((log) => follow(log, channel)));
    const publishers = logs.map((log, n) => new Publisher(log, channel, `p${n}-`));
    const publishing = publishers.map((publisher) => publisher.publishUntilStopped());
    await Promise.all(publishers.map((publisher) => publisher.progress()));
    await moveSlotOf(channel);
    await Promise.all(publishers.map((publisher) => publisher.progress()));
    for (const publisher of publishers) publisher.stop();
    await Promise.all(publishing);
    const { next } = await (logs[0]?.end(channel) ?? assert.fail());
    for (const reader of readers) {
      await reader.length(next - 1);
      assert.equal(reader.starts, 1);
      for (const publisher of publishers) publisher.check(reader.records);
    }
  });

  it("receives the messages of a quiet channel from the primary to which its slot has moved", async () => {
    const log = open();
    const readers = await Promise.all(CHANNELS.map((name) => follow(log, name)));
    const [channel = ""] = CHANNELS;
    await moveSlotOf(channel);
    const publisher = open();
    await Promise.all(CHANNELS.map((name) => publisher.append({ channel: name, record: "after" })));
    for (const reader of readers) {
      await reader.length(1);
      assert.deepEqual([reader.records, reader.starts], [["after"], 1]);
    }
  });
});
