/** The environment of a fault test: tasks, clients, a store for the message log, and proxies between them. */
import assert from "node:assert/strict";

import { partitionOf, streamKey } from "../../../app/src/log/valkey/connection/partitions.ts";
import { parseEpoch, parseOffset } from "../../../app/src/log/valkey/valkeyChannel.ts";
import { runServer, type TestProcess } from "../../app/support/processes.ts";
import { afterwards } from "../../app/support/teardown.ts";
import { addressAt, type TestStore } from "../../support/valkey.ts";
import { due } from "../../support/waitUntil.ts";
import type { ClientGroup, GroupOptions, Load } from "./clientGroup.ts";
import {
  assertOneLog,
  type Counts,
  type Message,
  noCounts,
  type Report,
  type Stored,
} from "./deliveryRecord.ts";
import { type FaultProxy, startFaultProxy } from "./faultProxy.ts";
import { type LightGroup, startGroup, startLightGroup } from "./startGroup.ts";

export type Task = TestProcess & { readonly port: number };

export const DRAIN_SECONDS = 5;

/** Settings of the tasks, with short times; every other setting has its default. */
const ENVIRONMENT = {
  // All clients have one address, and reconnect many times.
  WEBSOCKET_CONNECTIONS_PER_USER: "20000",
  WEBSOCKET_DRAIN_SECONDS: String(DRAIN_SECONDS),
  WEBSOCKET_METRICS_LOG_SECONDS: "0",
};

/** Times after which a peer that does not answer counts as dead. */
interface Liveness {
  readonly heartbeatSeconds: number;
  readonly timeoutMs: number;
}

/**
 * For the tests that assert close codes: on a busy machine, a process can be without CPU for seconds, and must not count as
 * dead.
 */
export const TOLERANT: Liveness = { heartbeatSeconds: 60, timeoutMs: 30_000 };

/** For the tests with half-open connections, which the client and the server must detect. */
export const QUICK: Liveness = { heartbeatSeconds: 3, timeoutMs: 4000 };

const PROJECT_CLIENTS = 30;
/** The other clients only listen: no missing acknowledgement shows them that a connection is dead. */
const PROJECT_PUBLISHERS = PROJECT_CLIENTS / 2;
const LIGHT_PUBLISHERS = 10;
const LIGHT_LOAD: Load = { messagesPerSecond: 40, paddingBytes: 20 };
const PROJECT_LOAD: Load = { messagesPerSecond: 15, paddingBytes: 20 };

/** Time after the faults until every message must be acknowledged, and then until it must be delivered. */
const SETTLE_TIMEOUT_MS = 60_000;

export interface Figures extends Counts {
  readonly messages: number;
  readonly closes: Readonly<Record<number, number>>;
}

export interface EnvironmentOptions {
  /** Light clients of the test. */
  readonly clients: number;
  /** @default 2 */
  readonly tasks?: number;
  /** @default TOLERANT */
  readonly liveness?: Liveness;
  /** Seed of all random choices. @default 1 */
  readonly seed?: number;
}

export interface FaultEnvironment {
  /** Between the tasks and the store. */
  readonly storeProxy: FaultProxy;
  /** Between the clients and the tasks, in place of the load balancer. */
  readonly clientProxy: FaultProxy;
  readonly startTask: (env?: Record<string, string>) => Promise<Task>;
  /** Connects the light clients of the test and 30 channels of the project's client. */
  connectClients(): Promise<void>;
  /** Adds light clients. They publish only if the test calls `publish` of the group. */
  addGroup(
    options: Pick<GroupOptions, "name" | "readers" | "publishers"> & { channel?: string },
  ): Promise<LightGroup>;
  /** The clients of `connectClients` publish until `verify`. */
  publish(): Promise<void>;
  /**
   * Stops publishing and waits until every message is acknowledged and delivered to every client. Then compares everything
   * that the clients received with each other and with the stored log.
   * @param channel @default the one of `connectClients`
   */
  verify(channel?: string): Promise<Figures>;
  /** What the clients of `connectClients` have received so far. */
  figures(): Promise<Omit<Figures, "messages">>;
}

/** @param store is closed after the test. */
export async function startEnvironment(
  store: TestStore,
  { clients, tasks = 2, liveness = TOLERANT, seed = 1 }: EnvironmentOptions,
): Promise<FaultEnvironment> {
  const { heartbeatSeconds, timeoutMs } = liveness;
  const random = randomFrom(seed);
  afterwards(() => store.close());
  const storeProxy = await startFaultProxy({ targets: [store.port], random, keepsTargets: true });
  afterwards(() => storeProxy.close());
  const address = addressAt(storeProxy.port);
  const clientProxy = await startFaultProxy({ targets: [], random });
  afterwards(() => clientProxy.close());
  const url = `ws://127.0.0.1:${clientProxy.port}/wss`;
  const groups = new Map<string, ClientGroup[]>([["", []]]);
  let connected: readonly ClientGroup[] = [];

  const startTask = async (env: Record<string, string> = {}): Promise<Task> => {
    const task = await runServer({
      ...ENVIRONMENT,
      WEBSOCKET_HEARTBEAT_SECONDS: String(heartbeatSeconds),
      WEBSOCKET_VALKEY_URL: address.url,
      WEBSOCKET_VALKEY_PASSWORD: address.password,
      ...env,
    });
    clientProxy.targets.add(task.port);
    return task;
  };
  await Promise.all(Array.from({ length: tasks }, () => startTask()));

  return {
    storeProxy,
    clientProxy,
    startTask,
    async connectClients() {
      connected = await Promise.all([
        startLightGroup({ url, readers: clients, publishers: LIGHT_PUBLISHERS, name: "light", timeoutMs }),
        startGroup({
          url,
          readers: PROJECT_CLIENTS,
          publishers: PROJECT_PUBLISHERS,
          name: "client",
          timeoutMs,
        }),
      ]);
      groups.get("")?.push(...connected);
    },
    async addGroup({ channel = "", ...options }) {
      const group = await startLightGroup({
        ...options,
        timeoutMs,
        url: channel === "" ? url : `${url}/${channel}`,
      });
      groups.set(channel, [...(groups.get(channel) ?? []), group]);
      return group;
    },
    async publish() {
      await Promise.all(connected.map((group, n) => group.publish(n === 0 ? LIGHT_LOAD : PROJECT_LOAD)));
    },
    verify: (channel = "") => verify(groups.get(channel) ?? [], () => readStored(store, channel)),
    async figures() {
      return sum(await Promise.all(connected.map((group) => group.report())));
    },
  };
}

/**
 * Stops publishing, waits until every message is acknowledged and delivered, and compares everything that the clients received.
 * @param groups all groups of the channel.
 * @param read the log, when every message is acknowledged. @default what the clients have published
 */
export async function verify(
  groups: readonly ClientGroup[],
  read: () => Promise<Stored> = () => readAcknowledged(groups),
): Promise<Figures> {
  const all = (what: string, act: (group: ClientGroup) => Promise<void>): Promise<unknown> => {
    const waiting = new Set(groups.map(({ name }) => name));
    const ended = groups.map(async (group) => {
      await act(group);
      waiting.delete(group.name);
    });
    return due(Promise.all(ended), () => `every ${what} of ${[...waiting].join(", ")}`, SETTLE_TIMEOUT_MS);
  };
  await all("acknowledgement", (group) => group.settle());
  const stored = await read();
  await all("delivery", (group) => group.reach(stored.end));
  const reports = await Promise.all(groups.map((group) => group.report()));
  assertOneLog(reports, stored);
  return { ...sum(reports), messages: stored.end.offset };
}

/** The log according to the acknowledgements, for a test that cannot read the store. */
async function readAcknowledged(groups: readonly ClientGroup[]): Promise<Stored> {
  const reports = await Promise.all(groups.map((group) => group.report()));
  const acknowledged = reports.flatMap((report) => report.acknowledged);
  const [end, ...others] = acknowledged.toSorted((one, other) => other.offset - one.offset);
  assert.ok(end !== undefined, "no message was acknowledged");
  for (const { epoch } of others) assert.equal(epoch, end.epoch, "the log began again");
  return { end, ids: new Map(acknowledged.map(({ offset, id }) => [offset, id])) };
}

async function readStored(store: TestStore, channel: string): Promise<Stored> {
  // The form of an XRANGE reply.
  const entries = (await store.command(
    "XRANGE",
    streamKey(partitionOf(channel), channel),
    "-",
    "+",
  )) as readonly [id: string, fields: readonly [name: string, payload: string]][];
  const ids = new Map<number, string>();
  for (const [id, [, payload]] of entries) {
    // The entry that begins a stream has no payload.
    if (payload !== "") ids.set(parseOffset(id), (JSON.parse(payload) as Message).id);
  }
  const last = entries.at(-1)?.[0] ?? assert.fail("the channel has no stored message");
  return { end: { epoch: String(parseEpoch(last)), offset: parseOffset(last) }, ids };
}

function sum(reports: readonly Report[]): Omit<Figures, "messages"> {
  const closes: Record<number, number> = {};
  const all = noCounts();
  for (const { counts, closes: own } of reports) {
    all.readers += counts.readers;
    all.deliveries += counts.deliveries;
    all.reconnects += counts.reconnects;
    all.lost += counts.lost;
    all.reportedMissing += counts.reportedMissing;
    all.duplicates += counts.duplicates;
    all.openGaps += counts.openGaps;
    all.contradictions.push(...counts.contradictions);
    all.longestPauseMs = Math.max(all.longestPauseMs, counts.longestPauseMs);
    for (const [code, count] of Object.entries(own))
      closes[Number(code)] = (closes[Number(code)] ?? 0) + count;
  }
  return { ...all, closes };
}

/** Mulberry32. @returns numbers of at least 0 and less than 1. */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
