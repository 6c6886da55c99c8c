/** Cases with connections that do nothing. */
import { readFileSync } from "node:fs";

import type { Case } from "../case.ts";
import { OWN_SERVERS } from "../contestants.ts";
import type { ConnectionsRun } from "../generator/runs.ts";
import { cpuColumns, cpuRow, KIB, percent, quotient, rowOf } from "./columns.ts";

const HANDSHAKES_AT_ONCE = 128;
/** Heartbeats are distributed over their interval, so the measurement of idle processes takes a whole one. */
const HEARTBEAT_SECONDS = 30;
const SETTLE_SECONDS = 2.5;

/** A process has other files than the connections. */
const OTHER_FILES = 100;
/** As many as the limit of open files allows, and at most 20,000, which is the default of `maxConnections`. */
export const MANY_CONNECTIONS = Math.min(20_000, maxOpenFiles() - OTHER_FILES);

export const CONNECTION_CASES: readonly Case[] = [
  handshakes("idle10000", 10_000),
  ownChannels("own", {}),
  ownChannels("own-valkey", { tasks: 1 }),
  manySubscriptions("subscriptions200", { clients: 200, subscriptions: 200 }),
];

function handshakes(name: string, clients: number): Case {
  return {
    name,
    group: "connections",
    title: `${clients} connections that do nothing; ${HANDSHAKES_AT_ONCE} handshakes at once`,
    columns: [
      { key: "kibPerConnection", title: "KiB per connection", ratio: true },
      { key: "handshakesPerServerCpuSecond", title: "handshakes per server CPU-second", ratio: true },
      { key: "handshakesPerSecond", title: "handshakes/s", ratio: true },
      ...cpuColumns(),
    ],
    fresh: true,
    measure: async ({ run }) =>
      rowOf(await run(idle({ clients })), ({ memoryGrowthBytes, ...figures }) => ({
        kibPerConnection: quotient(memoryGrowthBytes, clients * KIB),
        handshakesPerServerCpuSecond: quotient(clients, figures.serverCpu),
        handshakesPerSecond: clients / figures.seconds,
        ...cpuRow(figures),
      })),
  };
}

/** A channel per connection, as an application has with a channel per user. */
function ownChannels(name: string, { tasks }: Pick<Case, "tasks">): Case {
  const clients = MANY_CONNECTIONS;
  return {
    name,
    group: "channels",
    title: `${clients} connections, each with a channel of its own${tasks === undefined ? "" : ", with Valkey"}`,
    columns: [
      { key: "kibPerConnection", title: "KiB per connection", ratio: true },
      { key: "idleServerPercent", title: "idle server CPU %", ratio: true },
      { key: "idleStorePercent", title: "idle store CPU %", ratio: false },
      { key: "connectionsPerServerCpuSecond", title: "connections per server CPU-second", ratio: true },
      { key: "connectionsPerSecond", title: "connections/s", ratio: false },
    ],
    only: OWN_SERVERS,
    ...(tasks !== undefined && { tasks }),
    fresh: true,
    measure: async ({ run }) =>
      rowOf(
        await run(idle({ clients, ownChannels: 1, idleSeconds: HEARTBEAT_SECONDS })),
        ({ memoryGrowthBytes, idleServerCpu, idleStoreCpu, ...figures }) => ({
          kibPerConnection: quotient(memoryGrowthBytes, clients * KIB),
          idleServerPercent: percent(idleServerCpu),
          idleStorePercent: percent(idleStoreCpu),
          connectionsPerServerCpuSecond: quotient(clients, figures.serverCpu),
          connectionsPerSecond: clients / figures.seconds,
        }),
      ),
  };
}

function manySubscriptions(
  name: string,
  { clients, subscriptions }: { readonly clients: number; readonly subscriptions: number },
): Case {
  const all = clients * subscriptions;
  return {
    name,
    group: "channels",
    title: `${clients} connections with ${subscriptions} subscriptions each, to channels that no other connection has`,
    columns: [
      { key: "kibPerSubscription", title: "KiB per subscription", ratio: false },
      { key: "subscriptionsPerServerCpuSecond", title: "subscriptions per server CPU-second", ratio: false },
      { key: "idleServerPercent", title: "idle server CPU %", ratio: false },
    ],
    only: ["this"],
    fresh: true,
    measure: async ({ run }) =>
      rowOf(
        await run(idle({ clients, ownChannels: subscriptions, idleSeconds: HEARTBEAT_SECONDS })),
        ({ memoryGrowthBytes, idleServerCpu, serverCpu }) => ({
          kibPerSubscription: quotient(memoryGrowthBytes, all * KIB),
          subscriptionsPerServerCpuSecond: quotient(all, serverCpu),
          idleServerPercent: percent(idleServerCpu),
        }),
      ),
  };
}

function idle(run: Omit<ConnectionsRun, "kind" | "concurrency" | "settleSeconds">): ConnectionsRun {
  return { kind: "connections", concurrency: HANDSHAKES_AT_ONCE, settleSeconds: SETTLE_SECONDS, ...run };
}

/** @returns the limit of a process; infinite on systems other than Linux. */
function maxOpenFiles(): number {
  if (process.platform !== "linux") return Infinity;
  const limits = readFileSync("/proc/self/limits", "utf8");
  // Node.js raises its limit to the hard limit, which is the second number.
  return Number(/^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1] ?? Infinity);
}
