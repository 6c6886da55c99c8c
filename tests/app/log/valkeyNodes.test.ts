/** The nodes of a cluster, their map, and what redirections change. */
import assert from "node:assert/strict";

import { PARTITIONS, partitionOf, streamKey } from "../../../app/src/log/valkey/connection/partitions.ts";
import type { ValkeyNode } from "../../../app/src/log/valkey/connection/valkeyNode.ts";
import { ValkeyNodes } from "../../../app/src/log/valkey/connection/valkeyNodes.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import { afterwards, silent } from "../support/teardown.ts";
import { useCluster } from "./clusterFixture.ts";

/** Longer than any test. */
const ANSWER_TIMEOUT_MS = 60_000;

const CHANNEL = "channel";
const PARTITION = partitionOf(CHANNEL);

describe("the nodes of a Valkey cluster", () => {
  const valkey = useCluster();
  /** Partitions of each call of `onAvailable`. */
  let available: (readonly number[])[];
  let nodes: ValkeyNodes;

  beforeEach(async () => {
    available = [];
    nodes = new ValkeyNodes({
      url: valkey.url,
      cluster: true,
      name: "nodes",
      answerTimeoutMs: ANSWER_TIMEOUT_MS,
      subscriberTimeoutMs: ANSWER_TIMEOUT_MS,
      logger: silent,
      onMessage: () => undefined,
      onAvailable: (_, partitions) => available.push(partitions),
      onSubscribable: () => undefined,
      onMoved: () => undefined,
    });
    afterwards(() => {
      nodes.close();
    });
    nodes.open();
    await waitUntil(() => unavailable().length === 0);
    available = [];
  });

  const unavailable = (): readonly number[] =>
    Array.from(Array(PARTITIONS).keys()).filter((partition) => nodes.available(partition) === undefined);

  const nodeOf = (partition: number): ValkeyNode => nodes.of(partition) ?? assert.fail("no node");

  /** Sends a command for the channel. @returns the kind of its outcome. */
  const sendTo = async (node: ValkeyNode): Promise<string | undefined> =>
    (await node.send([["xlen", streamKey(PARTITION, CHANNEL)]]))[0]?.kind;

  it("delay only the commands of a slot that has moved, and report the partition when its node is known", async () => {
    const before = nodeOf(PARTITION);
    await valkey.moveSlotOf(CHANNEL);
    assert.equal(await sendTo(before), "unsent");
    assert.deepEqual(unavailable(), [PARTITION]);
    await waitUntil(() => unavailable().length === 0);
    assert.deepEqual([...new Set(available.flat())], [PARTITION]);
    assert.notEqual(nodeOf(PARTITION), before);
    assert.equal(await sendTo(nodeOf(PARTITION)), "answered");
  });

  it("delay no command while the keys of a slot move", async () => {
    const { slot, source, ids } = valkey.slotOf(CHANNEL);
    await source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", (await ids())[1]);
    assert.equal(await sendTo(nodeOf(PARTITION)), "refused");
    assert.deepEqual([available, unavailable()], [[], []]);
  });

  it("request the map from another node if one does not reply", async () => {
    const [first, other] = [...nodes.all];
    const [pid = 0] = valkey.cluster.pids;
    process.kill(pid, "SIGSTOP");
    afterwards(() => process.kill(pid, "SIGCONT"));
    const partition = nodes.partitionsOf(first ?? assert.fail())[0] ?? assert.fail();
    const [outcome] = (await other?.send([["xlen", streamKey(partition, "")]])) ?? [];
    assert.equal(outcome?.kind, "unsent");
    assert.deepEqual(unavailable(), [partition]);
    await waitUntil(() => unavailable().length === 0);
    assert.deepEqual(available, [[partition]]);
  });
});
