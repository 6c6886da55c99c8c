/** Cases in which every message goes to every client. */
import type { Case, Effort, Row } from "../case.ts";
import { PATHS } from "../contestants.ts";
import { difference } from "../generator/processes.ts";
import type { LoadFigures, LoadRun, RunOutcome } from "../generator/runs.ts";
import {
  count,
  cpuColumns,
  cpuRow,
  KIB,
  LATENCY_COLUMNS,
  MIB,
  MICROSECONDS,
  quotient,
  rowOf,
} from "./columns.ts";

const TASKS = 2;
/** Has an adapter for several tasks; naive has none. */
const TASKS_BASE = "socket.io";
const SMALL_MESSAGE_BYTES = 64;

interface ClosedLoop {
  readonly clients: number;
  readonly publishers: number;
  /** Messages in flight of each publisher. */
  readonly inFlight: number;
  readonly messageBytes: number;
}

/** One message in flight, several, and enough for large batches. */
const ONE: ClosedLoop = { clients: 1000, publishers: 1, inFlight: 1, messageBytes: SMALL_MESSAGE_BYTES };
const TEN: ClosedLoop = { ...ONE, publishers: 10 };
const SATURATED: ClosedLoop = { ...TEN, inFlight: 16 };

export const BROADCAST_CASES: readonly Case[] = [
  fanOut("f1000", ONE),
  fanOut("f1000p10", TEN),
  fanOut("sat1000", SATURATED),
  fanOut("f5000kp10", { ...TEN, clients: 5000, messageBytes: KIB }),
  fanOut("echo64", { clients: 1, publishers: 1, inFlight: 64, messageBytes: SMALL_MESSAGE_BYTES }),
  multipleOfNaive("half", 0.5),
  multipleOfNaive("over10", 10),
  multipleOfNaive("over60", 60),
  idleReader("idle-reader"),
  resume("resume"),
  fanOut("tasks-f1000", ONE, TASKS),
  fanOut("tasks-f1000p10", TEN, TASKS),
  fanOut("tasks-sat1000", SATURATED, TASKS),
  tasksLatency("tasks-latency"),
  pathLatency("edge-latency"),
  pathMaximum("edge-maximum"),
];

/** The load that measures {@link CaseRunner.naiveMaximum}. */
export function calibration(effort: Effort): LoadRun {
  return closedLoop(TEN, effort);
}

function fanOut(name: string, load: ClosedLoop, tasks?: number): Case {
  const { clients, publishers, inFlight, messageBytes } = load;
  return {
    name,
    group: tasks === undefined ? "fan-out" : "tasks",
    title: [
      ...(tasks === undefined ? [] : [`${tasks} tasks`]),
      count(clients, "client"),
      `${count(publishers, "publisher")} with ${count(inFlight, "message")} of ${messageBytes} bytes in flight${publishers === 1 ? "" : " each"}`,
    ].join(", "),
    columns: [
      { key: "deliveriesPerServerCpuSecond", title: "deliveries per server CPU-second", ratio: true },
      { key: "deliveriesPerSecond", title: "deliveries/s", ratio: true },
      ...cpuColumns(tasks),
    ],
    ...(tasks === undefined ? {} : { tasks, base: TASKS_BASE }),
    measure: async ({ run, effort }) =>
      rowOf(await run(closedLoop(load, effort)), (figures) => ({
        deliveriesPerServerCpuSecond: quotient(figures.deliveries, figures.serverCpu),
        deliveriesPerSecond: figures.deliveries / figures.seconds,
        ...cpuRow(figures),
      })),
  };
}

function multipleOfNaive(name: string, factor: number): Case {
  return {
    name,
    group: "latency",
    title: `1000 clients, 64 bytes, open loop at ${factor} × the most that naive can do`,
    columns: [
      ...LATENCY_COLUMNS,
      { key: "messagesPerSecond", title: "messages/s", ratio: false },
      ...cpuColumns(),
    ],
    measure: async ({ run, effort, naiveMaximum }) =>
      latencyRow(await run(openLoop(factor * (await naiveMaximum()), effort))),
  };
}

function tasksLatency(name: string): Case {
  const rate = 50;
  return {
    name,
    group: "tasks",
    title: `${TASKS} tasks, 1000 clients, 64 bytes, open loop, ${rate} messages a second`,
    columns: [...LATENCY_COLUMNS, ...cpuColumns(TASKS)],
    tasks: TASKS,
    base: TASKS_BASE,
    measure: async ({ run, effort }) => latencyRow(await run(openLoop(rate, effort))),
  };
}

/** The latency that a proxy adds is the difference to the same load without one. */
function pathLatency(name: string): Case {
  const rate = 10;
  /** At a low rate, a percentile needs a longer measurement. */
  const durationFactor = 4;
  return {
    name,
    group: "edge",
    title: `1000 clients, 64 bytes, open loop, ${rate} messages a second, behind a proxy with TLS and a header rule`,
    columns: [
      ...LATENCY_COLUMNS.map((column) => ({ ...column, ratio: false, difference: true })),
      { key: "serverCpuPerDeliveryUs", title: "server CPU per delivery, µs", ratio: false, difference: true },
      ...cpuColumns(),
    ],
    only: PATHS,
    measure: async ({ run, effort }) =>
      rowOf(
        await run(openLoop(rate, { ...effort, openLoopSeconds: durationFactor * effort.openLoopSeconds })),
        (figures) => ({
          p50Ms: figures.p50Ms,
          p99Ms: figures.p99Ms,
          serverCpuPerDeliveryUs: quotient(figures.serverCpu, figures.deliveries / MICROSECONDS),
          ...cpuRow(figures),
        }),
      ),
  };
}

function pathMaximum(name: string): Case {
  return {
    name,
    group: "edge",
    title: "1000 clients, 10 publishers with 1 message of 64 bytes in flight each, behind the same proxies",
    columns: [
      { key: "messagesPerSecond", title: "messages/s", ratio: true },
      { key: "deliveriesPerSecond", title: "deliveries/s", ratio: false },
      ...cpuColumns(),
    ],
    only: PATHS,
    measure: async ({ run, effort }) =>
      rowOf(await run(closedLoop(TEN, effort)), (figures) => ({
        messagesPerSecond: figures.messages / figures.seconds,
        deliveriesPerSecond: figures.deliveries / figures.seconds,
        ...cpuRow(figures),
      })),
  };
}

function idleReader(name: string): Case {
  /** A server with many times this rate would compete with the generator for two CPUs that are hyper-threads of one core. */
  const rate = 500;
  const load = { clients: 20, publishers: 4, messageBytes: KIB, pace: { rate } } as const;
  return {
    name,
    group: "slow",
    title: `20 clients, and one that never reads; ${rate} messages of 1 KiB a second`,
    columns: [
      { key: "readerMib", title: "memory of the one that never reads, MiB", ratio: false },
      { key: "memoryGrowthMib", title: "memory growth, MiB", ratio: false },
      { key: "memoryGrowthWithoutMib", title: "without it", ratio: false },
      { key: "p99Ms", title: "p99 of the others, ms", ratio: false },
      { key: "p99WithoutMs", title: "without it", ratio: false },
      { key: "p99Factor", title: "÷", ratio: false },
      ...cpuColumns(),
    ],
    fresh: true,
    async measure({ run, restart, effort }) {
      const { warmSeconds, idleReaderSeconds } = effort;
      const common = { kind: "load", ...load, warmSeconds } as const;
      // Both runs have the same number of messages, because the server keeps the recent ones in memory.
      const without = await run({ ...common, idleReader: false, seconds: idleReaderSeconds });
      if (without.outcome !== "measured") return without;
      await restart();
      return rowOf(await run({ ...common, idleReader: true, seconds: idleReaderSeconds }), (figures) => ({
        readerMib: quotient(difference(figures.memoryGrowthBytes, without.figures.memoryGrowthBytes), MIB),
        memoryGrowthMib: quotient(figures.memoryGrowthBytes, MIB),
        memoryGrowthWithoutMib: quotient(without.figures.memoryGrowthBytes, MIB),
        p99Ms: figures.p99Ms,
        p99WithoutMs: without.figures.p99Ms,
        p99Factor: quotient(figures.p99Ms, without.figures.p99Ms),
        ...cpuRow(figures),
      }));
    },
  };
}

function resume(name: string): Case {
  const load = { clients: 1000, behind: 1000, messageBytes: SMALL_MESSAGE_BYTES } as const;
  return {
    name,
    group: "resume",
    title: `${load.clients} clients reconnect at once, ${load.behind} messages of 64 bytes behind each`,
    columns: [
      { key: "seconds", title: "seconds until all are level", ratio: true },
      { key: "serverCpuSeconds", title: "server CPU-seconds", ratio: true },
      { key: "deliveriesPerServerCpuSecond", title: "deliveries per server CPU-second", ratio: true },
      ...cpuColumns(),
    ],
    only: ["this", "base"],
    fresh: true,
    measure: async ({ run }) =>
      rowOf(await run({ kind: "resume", ...load }), (figures) => ({
        seconds: figures.seconds,
        serverCpuSeconds: figures.serverCpu,
        deliveriesPerServerCpuSecond: quotient(figures.deliveries, figures.serverCpu),
        ...cpuRow(figures),
      })),
  };
}

function closedLoop({ inFlight, ...load }: ClosedLoop, { warmSeconds, closedLoopSeconds }: Effort): LoadRun {
  return {
    kind: "load",
    ...load,
    pace: { inFlight },
    idleReader: false,
    warmSeconds,
    seconds: closedLoopSeconds,
  };
}

function openLoop(rate: number, { warmSeconds, openLoopSeconds }: Effort): LoadRun {
  return {
    kind: "load",
    clients: 1000,
    publishers: 10,
    messageBytes: SMALL_MESSAGE_BYTES,
    pace: { rate },
    idleReader: false,
    warmSeconds,
    seconds: openLoopSeconds,
  };
}

function latencyRow(outcome: RunOutcome<LoadFigures>): RunOutcome<Row> {
  return rowOf(outcome, (figures) => ({
    p50Ms: figures.p50Ms,
    p99Ms: figures.p99Ms,
    messagesPerSecond: figures.messages / figures.seconds,
    ...cpuRow(figures),
  }));
}
