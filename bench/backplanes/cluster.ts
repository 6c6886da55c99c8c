/** A Valkey cluster on the loopback address, with the server's own counters. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { Redis } from "iovalkey";

import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { LOOPBACK } from "../../cli/loopback.ts";
import { findValkeyServer, freePort, startValkeyServer } from "../../cli/valkeyServer.ts";
import type { ValkeyServer } from "../../cli/valkeyServer.ts";
import { slotOf, TAGS } from "./partitions.ts";

const SLOTS = 16_384;
const STATE_POLL_MS = 20;
const MICROSECONDS = 1e6;

export interface Cluster {
  /** Ports and processes of the primaries. */
  readonly ports: readonly number[];
  readonly pids: readonly number[];
  /** Returns the index of the primary that has a slot. */
  nodeOf(slot: number): number;
  /** Returns the present counters of each primary. */
  counters(): Promise<readonly Counters[]>;
  /** Closes all other connections from the side of the servers. */
  cut(): Promise<void>;
  /** Returns all payloads of a stream. */
  payloads(key: string): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** What a server has counted since its start. */
export interface Counters {
  /** CPU time of the main thread, in microseconds. */
  readonly cpuUs: number;
  /** Bytes received and sent. */
  readonly bytes: number;
  /** Bytes of the reply that has these counters. They are not in {@link bytes} yet. */
  readonly replyBytes: number;
  /** Memory of the data and of the subscriptions, in bytes. */
  readonly memoryBytes: number;
  /** Calls and their microseconds by command. */
  readonly commands: ReadonlyMap<string, { readonly calls: number; readonly us: number }>;
}

/** Starts primaries that have equal shares of the slots. */
export async function startCluster(primaries: number): Promise<Cluster> {
  const binary = await findValkeyServer(process.env["PATH"]);
  if (binary === undefined) throw new ExpectedError("This machine has no valkey-server.");
  const folder = await mkdtemp(path.join(tmpdir(), "websocket-backplanes-"));
  const servers: ValkeyServer[] = [];
  // One after another: two servers at the same time could choose the same free port.
  for (let index = 0; index < primaries; index++) {
    const server = await startValkeyServer({
      binary,
      directives: [
        ["dir", folder],
        ["cluster-enabled", "yes"],
        ["cluster-config-file", `nodes-${index}.conf`],
        ["cluster-port", await freePort()],
        // A node that has never met another one has no address in the map of the cluster.
        ["cluster-announce-ip", LOOPBACK],
      ],
    });
    servers.push(server);
  }
  const admins = servers.map(({ port }) => new Redis(port, LOOPBACK));
  const nodeOf = (slot: number): number => Math.floor((slot * primaries) / SLOTS);
  await join(admins);

  return {
    ports: servers.map(({ port }) => port),
    pids: servers.map(({ pid }) => pid),
    nodeOf,
    counters: () => Promise.all(admins.map(readCounters)),
    async cut() {
      for (const admin of admins) await admin.call("CLIENT", "KILL", "SKIPME", "yes");
    },
    async payloads(key) {
      const tag = /\{(.*?)\}/.exec(key)?.[1] ?? key;
      const entries = (await admins[nodeOf(slotOf(tag))]?.xrange(key, "-", "+")) ?? [];
      return entries.map(([, [, payload = ""]]) => payload);
    },
    async close() {
      for (const admin of admins) admin.disconnect();
      await Promise.all(servers.map((server) => server.close()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Returns the node of each partition. */
export function partitionNodes(cluster: Cluster): readonly number[] {
  return TAGS.map((tag) => cluster.nodeOf(slotOf(tag)));
}

async function join(admins: readonly Redis[]): Promise<void> {
  for (const [index, admin] of admins.entries()) {
    const first = Math.ceil((index * SLOTS) / admins.length);
    await admin.call("CLUSTER", "ADDSLOTSRANGE", first, Math.ceil(((index + 1) * SLOTS) / admins.length) - 1);
    await admin.call("CLUSTER", "SET-CONFIG-EPOCH", index + 1);
  }
  const [first, ...others] = admins;
  for (const other of others) {
    const [port, busPort] = [other.options.port, await busPortOf(other)];
    await first?.call("CLUSTER", "MEET", LOOPBACK, String(port), busPort);
  }
  for (const admin of admins) {
    const isReady = async (): Promise<boolean> => {
      const info = String(await admin.call("CLUSTER", "INFO"));
      return info.includes("cluster_state:ok") && info.includes(`cluster_size:${admins.length}`);
    };
    while (!(await isReady())) await sleep(STATE_POLL_MS);
  }
}

async function busPortOf(admin: Redis): Promise<string> {
  return /@(\d+)/.exec(String(await admin.call("CLUSTER", "NODES")))?.[1] ?? "";
}

async function readCounters(admin: Redis): Promise<Counters> {
  const text = await admin.info("everything");
  const numberOf = (name: string): number => Number(new RegExp(`^${name}:([\\d.]+)`, "m").exec(text)?.[1]);
  const commands = new Map(
    [...text.matchAll(/^cmdstat_([^:]+):calls=(\d+),usec=(\d+)/gm)].map(([, name = "", calls, us]) => [
      name,
      { calls: Number(calls), us: Number(us) },
    ]),
  );
  return {
    cpuUs: (numberOf("used_cpu_user_main_thread") + numberOf("used_cpu_sys_main_thread")) * MICROSECONDS,
    bytes: numberOf("total_net_input_bytes") + numberOf("total_net_output_bytes"),
    replyBytes: text.length,
    memoryBytes: numberOf("used_memory"),
    commands,
  };
}
