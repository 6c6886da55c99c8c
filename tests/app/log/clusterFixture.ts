/* eslint-disable mocha/no-exports -- a fixture whose hooks several suites register. */
import assert from "node:assert/strict";

import { Redis } from "iovalkey";

import { partitionOf, PARTITION_SLOTS } from "../../../app/src/log/valkey/connection/partitions.ts";
import { startCluster } from "../../../bench/backplanes/cluster.ts";
import type { Cluster } from "../../../bench/backplanes/cluster.ts";
import { requireValkey } from "../../support/valkey.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import { afterwards, tearDown } from "../support/teardown.ts";

/** A cluster with two primaries for each test of a suite. */
export interface ClusterFixture {
  readonly cluster: Cluster;
  /** Returns the URL of the first primary. */
  readonly url: string;
  /** Connects to a primary. */
  admin(index: number): Redis;
  /** Returns the slot of a channel, the present index of its primary, and the clients of this one and of the other one. */
  slotOf(channel: string): ClusterSlot;
  /** Moves the slot of a channel to the other primary, with its keys. */
  moveSlotOf(channel: string): Promise<void>;
}

export interface ClusterSlot {
  readonly slot: number;
  readonly source: Redis;
  readonly target: Redis;
  /** Names of both primaries in the cluster. */
  readonly ids: () => Promise<readonly [source: string, target: string]>;
}

export function useCluster(): ClusterFixture {
  let started: Cluster | undefined;

  beforeEach(async function () {
    this.timeout(60_000);
    await requireValkey(this);
    const cluster = await startCluster(2);
    afterwards(() => cluster.close());
    started = cluster;
  });

  afterEach(tearDown);

  const fixture: ClusterFixture = {
    get cluster() {
      return started ?? assert.fail("There is no cluster before the first test.");
    },
    get url() {
      return `redis://127.0.0.1:${fixture.cluster.ports[0]}`;
    },
    admin(index) {
      const client = new Redis(fixture.cluster.ports[index] ?? assert.fail("no node"), "127.0.0.1");
      afterwards(() => {
        client.disconnect();
      });
      return client;
    },
    slotOf(channel) {
      const slot = PARTITION_SLOTS[partitionOf(channel)] ?? assert.fail("no slot");
      const from = fixture.cluster.nodeOf(slot);
      const [source, target] = [fixture.admin(from), fixture.admin(1 - from)];
      const idOf = async (node: Redis): Promise<string> => String(await node.call("CLUSTER", "MYID"));
      return { slot, source, target, ids: async () => [await idOf(source), await idOf(target)] };
    },
    async moveSlotOf(channel) {
      const { slot, source, target, ids } = fixture.slotOf(channel);
      const [, id] = await ids();
      await source.call("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", id);
      await waitUntil(async () => {
        const slots = (await source.call("CLUSTER", "SLOTS")) as readonly [
          number,
          number,
          [string, number],
        ][];
        const range = slots.find(([first, last]) => first <= slot && slot <= last);
        return range?.[2][1] === target.options.port;
      });
    },
  };
  return fixture;
}
