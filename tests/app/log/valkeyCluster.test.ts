/** The Valkey log on a cluster with two primaries. */
import assert from "node:assert/strict";

import { createValkeyLog } from "../../../app/src/log/valkey/valkeyLog.ts";
import type { ValkeyLog } from "../../../app/src/log/valkey/valkeyLog.ts";
import { partitionOf } from "../../../app/src/log/valkey/connection/partitions.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import { afterwards, silent } from "../support/teardown.ts";
import { useCluster } from "./clusterFixture.ts";
import { finishPublishing, Publisher } from "./publisher.ts";
import { follow } from "./valkeyFixture.ts";

const CHANNELS = Array.from({ length: 40 }, (_, n) => `channel-${n}`);

describe("the Valkey log on a cluster with two primaries", () => {
  const valkey = useCluster();

  const open = (): ValkeyLog => {
    const retention = { retainedMessages: 10_000, retainedBytes: 1024 * 1024, retainedSeconds: 300 };
    const log = createValkeyLog({
      url: valkey.url,
      cluster: true,
      retentionOf: () => retention,
      publishTimeoutSeconds: 10,
      logger: silent,
    });
    afterwards(() => log.close());
    return log;
  };

  it("uses both primaries", async () => {
    const [log, other] = [open(), open()];
    const readers = await Promise.all(CHANNELS.map((name) => follow(other, name)));
    await Promise.all(CHANNELS.map((channel) => log.append({ channel, record: channel, id: channel })));
    for (const [n, reader] of readers.entries()) {
      await reader.length(1);
      assert.deepEqual(reader.records, [CHANNELS[n]]);
    }
    for (const { commands } of await valkey.cluster.counters()) {
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
    await valkey.moveSlotOf(channel);
    await Promise.all(publishers.map((publisher) => publisher.progress()));
    await finishPublishing({ log: logs[0] ?? assert.fail(), channel, publishers, publishing, readers });
  });

  it("receives the messages of a quiet channel from the primary to which its slot has moved", async () => {
    const log = open();
    const readers = await Promise.all(CHANNELS.map((name) => follow(log, name)));
    const [channel = ""] = CHANNELS;
    await valkey.moveSlotOf(channel);
    const publisher = open();
    await Promise.all(CHANNELS.map((name) => publisher.append({ channel: name, record: "after" })));
    for (const reader of readers) {
      await reader.length(1);
      assert.deepEqual([reader.records, reader.starts], [["after"], 1]);
    }
  });

  it("stores a message of a new channel when the keys of its slot no longer move, and delays no other channel", async () => {
    const log = open();
    const [channel = "", ...others] = CHANNELS;
    const { slot, source, ids } = valkey.slotOf(channel);
    await source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", (await ids())[1]);
    const mapRequests = async (): Promise<number> => {
      const ofNodes = await valkey.cluster.counters();
      return ofNodes.reduce((sum, { commands }) => sum + (commands.get("cluster|slots")?.calls ?? 0), 0);
    };
    const redirections = (least: number): Promise<void> =>
      waitUntil(async () => Number(/ASK:count=(\d+)/.exec(await source.info("errorstats"))?.[1]) > least);
    const stored = log.append({ channel, record: "new" });
    // The requests at the start of the log end meanwhile.
    await redirections(8);
    const before = await mapRequests();
    await redirections(20);
    const elsewhere = others.filter((name) => partitionOf(name) !== partitionOf(channel));
    await Promise.all(elsewhere.map((name) => log.append({ channel: name, record: "other" })));
    assert.equal(await mapRequests(), before);
    await source.call("CLUSTER", "SETSLOT", slot, "STABLE");
    assert.equal((await stored).offset, 1);
  });
});
