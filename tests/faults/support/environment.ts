/** The environment of a fault test: tasks, clients, a store for the message log, and proxies between them. */
import { unpackRecord } from "../../../app/src/log/record.ts";
import { partitionOf, streamKey } from "../../../app/src/log/valkey/connection/partitions.ts";
import { parseEpoch, parseOffset } from "../../../app/src/log/valkey/valkeyChannel.ts";
import { runServer, type TestProcess } from "../../app/support/processes.ts";
import { afterwards } from "../../app/support/teardown.ts";
import { addressAt, type TestStore } from "../../support/valkey.ts";
import { type ClientGroup, DEFAULT_CHANNEL, type GroupOptions, type Load } from "./clientGroup.ts";
import type { Message } from "./deliveryRecord.ts";
import { type FaultProxy, startFaultProxy } from "./faultProxy.ts";
import { type LightGroup, startGroup, startLightGroup } from "./startGroup.ts";
import { type Figures, type Stored, sum, verify } from "./verify.ts";

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

/** The first one has all clients. */
const MANY_CHANNELS = [DEFAULT_CHANNEL, ...Array.from({ length: 199 }, (_, n) => `room.${n + 1}`)];
const MAX_SUBSCRIPTIONS = 20;
/** With fewer clients, each channel still has about {@link MIN_SUBSCRIBERS} of them. */
const MIN_SUBSCRIBERS = 30;
const RATE_PER_CHANNEL = 1;

const PROJECT_CLIENTS = 30;
/** The other clients only listen: no missing acknowledgement shows them that a connection is dead. */
const PROJECT_PUBLISHERS = PROJECT_CLIENTS / 2;
const LIGHT_PUBLISHERS = 50;
const PROJECT_LOAD: Load = { messagesPerSecond: 15, othersPerSecond: 15, paddingBytes: 20 };

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
  /** Connects the light clients of the test, and 30 clients of the project. */
  connectClients(): Promise<void>;
  /**
   * Adds light clients, by default with the channels of `connectClients`. They publish only if the test calls `publish` of the
   * group.
   */
  addGroup(options: Omit<GroupOptions, "url" | "timeoutMs">): Promise<LightGroup>;
  /** The clients of `connectClients` publish until `verify`. */
  publish(): Promise<void>;
  /**
   * Stops publishing and waits until every message is acknowledged and delivered to every subscriber. Then compares everything
   * that the clients received with each other and with the stored logs.
   * @param groups all groups of their channels. @default those with the channels of `connectClients`
   */
  verify(groups?: readonly ClientGroup[]): Promise<Figures>;
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
  const channels = MANY_CHANNELS.slice(0, Math.ceil((clients * MAX_SUBSCRIPTIONS) / 2 / MIN_SUBSCRIBERS));
  const shared: ClientGroup[] = [];
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
        startLightGroup({
          url,
          clients,
          publishers: LIGHT_PUBLISHERS,
          channels,
          maxSubscriptions: MAX_SUBSCRIPTIONS,
          name: "light",
          timeoutMs,
        }),
        startGroup({
          url,
          clients: PROJECT_CLIENTS,
          publishers: PROJECT_PUBLISHERS,
          channels,
          maxSubscriptions: MAX_SUBSCRIPTIONS,
          name: "client",
          timeoutMs,
        }),
      ]);
      shared.push(...connected);
    },
    async addGroup(options) {
      const isShared = options.channels === undefined;
      const standard = isShared ? { channels, maxSubscriptions: MAX_SUBSCRIPTIONS } : {};
      const group = await startLightGroup({ ...standard, ...options, url, timeoutMs });
      if (isShared) shared.push(group);
      return group;
    },
    async publish() {
      const lightLoad: Load = {
        messagesPerSecond: 25,
        othersPerSecond: channels.length * RATE_PER_CHANNEL,
        renewalsPerSecond: clients / 10,
        paddingBytes: 20,
      };
      await Promise.all(connected.map((group, n) => group.publish(n === 0 ? lightLoad : PROJECT_LOAD)));
    },
    verify: (groups = shared) => verify(groups, (names) => readAll(store, names)),
    async figures() {
      return sum(await Promise.all(connected.map((group) => group.report())));
    },
  };
}

async function readAll(store: TestStore, channels: readonly string[]): Promise<ReadonlyMap<string, Stored>> {
  return new Map(
    await Promise.all(channels.map(async (channel) => [channel, await readStored(store, channel)] as const)),
  );
}

async function readStored(store: TestStore, channel: string): Promise<Stored> {
  const name = channel === DEFAULT_CHANNEL ? "" : channel;
  const key = streamKey(partitionOf(name), name);
  // The form of an XRANGE reply.
  const entries = (await store.command("XRANGE", key, "-", "+")) as readonly [
    id: string,
    fields: readonly [name: string, record: string],
  ][];
  const ids = new Map<number, string>();
  for (const [id, [, record]] of entries) {
    // The entry that begins a stream has no record.
    if (record !== "") ids.set(parseOffset(id), (JSON.parse(unpackRecord(record).payload) as Message).id);
  }
  const last = entries.at(-1)?.[0];
  return {
    end: last === undefined ? undefined : { epoch: String(parseEpoch(last)), offset: parseOffset(last) },
    ids,
  };
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
