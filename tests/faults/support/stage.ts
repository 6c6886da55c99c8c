/** What the faults happen to: a Valkey, tasks, clients, and the networks between them, all real. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";

import { epochOf, offsetOf, ValkeyChannel } from "../../../app/src/log/valkey/valkeyChannel.ts";
import type { Directive } from "../../../cli/valkeyServer.ts";
import { afterwards, runServer, type TestProcess } from "../../app/support.ts";
import { addressAt, startValkey, type TestValkey } from "../../support/valkey.ts";
import type { Crowd, CrowdOptions, Load } from "./crowd.ts";
import { startClients, startSwarm, type Swarm } from "./crowds.ts";
import { assertOneLog, type Findings, type Message, noFindings, type Report, type Stored } from "./ledger.ts";
import { type Network, startNetwork } from "./network.ts";

export type Task = TestProcess & { readonly port: number };

export const DRAIN_SECONDS = 5;

/** Times of the tasks, as short as a test is; every other setting is the default. */
const ENVIRONMENT = {
  // A client process that is busy for one whole interval is taken for gone.
  WEBSOCKET_HEARTBEAT_SECONDS: "3",
  // All clients have one address, and reconnect many times.
  WEBSOCKET_CONNECTIONS_PER_USER: "20000",
  WEBSOCKET_DRAIN_SECONDS: String(DRAIN_SECONDS),
  WEBSOCKET_VALKEY_BLOCK_MS: "500",
  WEBSOCKET_METRICS_LOG_SECONDS: "0",
};

/** Of all crowds of a test together; 1,000 light clients and the project's own. */
export const CLIENTS = Number(process.env["FAULT_CLIENTS"] ?? 1000);
const OWN_CLIENTS = 30;
/** The others only listen: no acknowledgement that does not come tells them that a connection is dead. */
const OWN_PUBLISHERS = OWN_CLIENTS / 2;
const LOAD: Load = { messagesPerSecond: 40, paddingBytes: 20 };
const OWN_LOAD: Load = { messagesPerSecond: 15, paddingBytes: 20 };
const PUBLISHERS = 10;

/** Time that everything gets to be acknowledged, and delivered, when the faults are over. */
const SETTLE_TIMEOUT_MS = 30_000;

export interface Figures extends Findings {
  readonly messages: number;
  readonly closes: Readonly<Record<number, number>>;
}

export interface Stage {
  readonly valkey: TestValkey;
  /** Between the tasks and Valkey. */
  readonly backNetwork: Network;
  /** Between the clients and the tasks: what a load balancer is. */
  readonly frontNetwork: Network;
  readonly random: () => number;
  startTask(env?: Record<string, string>): Promise<Task>;
  /** The light clients of the test, and the project's own, connected to whatever tasks there are. */
  assemble(): Promise<void>;
  /** More light clients. They publish nothing by themselves. */
  addSwarm(options: Omit<CrowdOptions, "url"> & { readonly channel?: string }): Promise<Swarm>;
  /** Everybody of the assembly publishes, until the end. */
  publish(): Promise<void>;
  /**
   * Ends the publishing and awaits that all is acknowledged, and delivered to all. Then holds everything that anybody saw
   * against each other, and against what is stored.
   * @param channel @default the one of the assembly
   */
  conclude(channel?: string): Promise<Figures>;
  /** What the assembly has met so far; whoever was added to it is left out. */
  findings(): Promise<Omit<Figures, "messages">>;
}

/** @param seed of everything that happens at random. */
export async function setStage(
  binary: string,
  {
    directives = [],
    tasks = 2,
    seed = 1,
  }: { directives?: readonly Directive[]; tasks?: number; seed?: number } = {},
): Promise<Stage> {
  const random = randomFrom(seed);
  const valkey = await startValkey(binary, directives);
  afterwards(() => valkey.close());
  const backNetwork = await startNetwork({ targets: [valkey.port], random, keepsTargets: true });
  afterwards(() => backNetwork.close());
  const store = addressAt(backNetwork.port);
  const frontNetwork = await startNetwork({ targets: [], random });
  afterwards(() => frontNetwork.close());
  /** By channel. */
  const crowds = new Map<string, Crowd[]>();
  const join = (channel: string, ...more: readonly Crowd[]): void => {
    crowds.set(channel, [...(crowds.get(channel) ?? []), ...more]);
  };
  let assembly: readonly Crowd[] = [];

  const startTask = async (env: Record<string, string> = {}): Promise<Task> => {
    const task = await runServer({
      ...ENVIRONMENT,
      WEBSOCKET_VALKEY_URL: store.url,
      WEBSOCKET_VALKEY_PASSWORD: store.password,
      ...env,
    });
    frontNetwork.targets.add(task.port);
    return task;
  };
  const url = `ws://127.0.0.1:${frontNetwork.port}/wss`;
  await Promise.all(Array.from({ length: tasks }, () => startTask()));

  return {
    valkey,
    backNetwork,
    frontNetwork,
    random,
    startTask,
    async assemble() {
      assembly = await Promise.all([
        startSwarm({ url, readers: CLIENTS, publishers: PUBLISHERS, name: "light" }, afterwards),
        startClients({ url, readers: OWN_CLIENTS, publishers: OWN_PUBLISHERS, name: "own" }, afterwards),
      ]);
      join("", ...assembly);
    },
    async addSwarm({ channel = "", ...options }) {
      const swarm = await startSwarm(
        { ...options, url: channel === "" ? url : `${url}/${channel}` },
        afterwards,
      );
      join(channel, swarm);
      return swarm;
    },
    async publish() {
      await Promise.all(assembly.map((crowd, n) => crowd.publish(n === 0 ? LOAD : OWN_LOAD)));
    },
    conclude: (channel = "") => conclude(valkey, channel, crowds.get(channel) ?? []),
    async findings() {
      return sum(await Promise.all(assembly.map((crowd) => crowd.report())));
    },
  };
}

/** @param crowds of one channel, and all of them. */
async function conclude(valkey: TestValkey, channel: string, crowds: readonly Crowd[]): Promise<Figures> {
  await inTime(Promise.all(crowds.map((crowd) => crowd.settle())), "be acknowledged");
  const stored = await readStored(valkey, channel);
  await inTime(Promise.all(crowds.map((crowd) => crowd.reach(stored.end))), "be delivered");
  const reports = await Promise.all(crowds.map((crowd) => crowd.report()));
  assertOneLog(reports, stored);
  return { ...sum(reports), messages: stored.end.offset };
}

async function readStored(valkey: TestValkey, channel: string): Promise<Stored> {
  // By XRANGE.
  const entries = (await valkey.command("XRANGE", new ValkeyChannel(channel).key, "-", "+")) as readonly [
    id: string,
    fields: readonly [name: string, payload: string],
  ][];
  const ids = new Map<number, string>();
  for (const [id, [, payload]] of entries) {
    // A marker is where a stream begins.
    if (payload !== "") ids.set(offsetOf(id), (JSON.parse(payload) as Message).id);
  }
  const last = entries.at(-1)?.[0] ?? assert.fail("nothing is stored");
  return { end: { epoch: epochOf(last), offset: offsetOf(last) }, ids };
}

function sum(reports: readonly Report[]): Omit<Figures, "messages"> {
  const closes: Record<number, number> = {};
  const all = noFindings();
  for (const { findings, closes: own } of reports) {
    all.readers += findings.readers;
    all.deliveries += findings.deliveries;
    all.reconnects += findings.reconnects;
    all.lost += findings.lost;
    all.told += findings.told;
    all.doubled += findings.doubled;
    all.renewals += findings.renewals;
    all.wrong.push(...findings.wrong);
    all.longestPauseMs = Math.max(all.longestPauseMs, findings.longestPauseMs);
    for (const [code, count] of Object.entries(own))
      closes[Number(code)] = (closes[Number(code)] ?? 0) + count;
  }
  return { ...all, closes };
}

async function inTime<Result>(work: Promise<Result>, what: string): Promise<Result> {
  const timer = new AbortController();
  const timeout = delay(SETTLE_TIMEOUT_MS, undefined, { signal: timer.signal }).then(() =>
    assert.fail(`It took more than ${SETTLE_TIMEOUT_MS} ms to ${what}.`),
  );
  timeout.catch(() => undefined);
  try {
    return await Promise.race([work, timeout]);
  } finally {
    timer.abort();
  }
}

/** Mulberry32. @returns numbers of at least 0, less than 1. */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
