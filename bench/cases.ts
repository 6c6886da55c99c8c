/** The cases: each with its load and its columns. */
import type { Case, Column, Effort, Row } from "./case.ts";
import { PATHS } from "./contestants.ts";
import type { LoadFigures, LoadRun, RunOutcome } from "./generator/runs.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const PERCENT = 100;
const MICROSECONDS = 1e6;
const TASKS = 2;
/** Has an adapter for several tasks; naive has none. */
const TASKS_BASE = "socket.io";
const SMALL_MESSAGE_BYTES = 64;

const LATENCY_COLUMNS: readonly Column[] = [
  { key: "p50Ms", title: "p50, ms", ratio: true },
  { key: "p99Ms", title: "p99, ms", ratio: true },
];

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

export const CASES: readonly Case[] = [
  fanOut("f1000", ONE),
  fanOut("f1000p10", TEN),
  fanOut("sat1000", SATURATED),
  fanOut("f5000kp10", { ...TEN, clients: 5000, messageBytes: KIB }),
  fanOut("echo64", { clients: 1, publishers: 1, inFlight: 64, messageBytes: SMALL_MESSAGE_BYTES }),
  multipleOfNaive("half", 0.5),
  multipleOfNaive("over10", 10),
  multipleOfNaive("over60", 60),
  connections("idle10000", 10_000),
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

function connections(name: string, clients: number): Case {
  return {
    name,
    group: "connections",
    title: `${clients} connections that do nothing; 128 handshakes at once`,
    columns: [
      { key: "kibPerConnection", title: "KiB per connection", ratio: true },
      { key: "handshakesPerServerCpuSecond", title: "handshakes per server CPU-second", ratio: true },
      { key: "handshakesPerSecond", title: "handshakes/s", ratio: true },
      ...cpuColumns(),
    ],
    fresh: true,
    measure: async ({ run }) =>
      rowOf(
        await run({ kind: "connections", clients, concurrency: 128, idleSeconds: 2.5 }),
        ({ memoryGrowthBytes, ...figures }) => ({
          kibPerConnection: quotient(memoryGrowthBytes, clients * KIB),
          handshakesPerServerCpuSecond: quotient(clients, figures.serverCpu),
          handshakesPerSecond: clients / figures.seconds,
          ...cpuRow(figures),
        }),
      ),
  };
}

function idleReader(name: string): Case {
  const rate = 2000;
  const controlSeconds = 3;
  const load = { clients: 20, publishers: 4, messageBytes: KIB, pace: { rate } } as const;
  return {
    name,
    group: "slow",
    title: `20 clients, and one that never reads; ${rate} messages of 1 KiB a second`,
    columns: [
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
      const without = await run({ ...common, idleReader: false, seconds: controlSeconds });
      if (without.outcome !== "measured") return without;
      await restart();
      return rowOf(await run({ ...common, idleReader: true, seconds: idleReaderSeconds }), (figures) => ({
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
      { key: "seconds", title: "seconds until all are level", ratio: false },
      { key: "serverCpuSeconds", title: "server CPU-seconds", ratio: false },
      { key: "deliveriesPerServerCpuSecond", title: "deliveries per server CPU-second", ratio: false },
      ...cpuColumns(),
    ],
    only: ["this"],
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

function cpuColumns(tasks?: number): readonly Column[] {
  return [
    { key: "serverCpuPercent", title: "server CPU %", ratio: false },
    ...(tasks === undefined
      ? []
      : [
          { key: "storeCpuPercent", title: "store CPU %", ratio: false },
          { key: "sameOrder", title: "same order for all", ratio: false, isFlag: true },
        ]),
    { key: "generatorCpuPercent", title: "generator CPU %", ratio: false },
  ];
}

interface Cpu {
  readonly seconds: number;
  readonly serverCpu: number | undefined;
  readonly storeCpu?: number | undefined;
  readonly generatorCpu: number;
  readonly sameOrder?: boolean;
}

function cpuRow({ seconds, serverCpu, storeCpu, generatorCpu, sameOrder }: Cpu): Row {
  return {
    serverCpuPercent: quotient(serverCpu, seconds / PERCENT),
    storeCpuPercent: quotient(storeCpu, seconds / PERCENT),
    generatorCpuPercent: quotient(generatorCpu, seconds / PERCENT),
    sameOrder: sameOrder === undefined ? undefined : Number(sameOrder),
  };
}

function rowOf<Figures>(outcome: RunOutcome<Figures>, row: (figures: Figures) => Row): RunOutcome<Row> {
  return outcome.outcome === "measured" ? { outcome: "measured", figures: row(outcome.figures) } : outcome;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function quotient(dividend: number | undefined, divisor: number | undefined): number | undefined {
  return dividend === undefined || divisor === undefined || divisor === 0 ? undefined : dividend / divisor;
}
