/** The cases of the comparison, and their figures as Markdown tables. */
import { ratios, spread } from "../statistics.ts";
import { renderNumber, table } from "../tables.ts";
import type { Figures, Run } from "./cases.ts";
import { DESIGNS } from "./designs/index.ts";
import type { DesignName } from "./designs/index.ts";

export interface BackplaneCase {
  readonly name: string;
  readonly title: string;
  readonly run: Omit<Run, "effort">;
  /** Figures and their column titles. */
  readonly columns: Readonly<Record<string, string>>;
  /** Columns with the ratio of a figure to that of another case in the same repetition. */
  readonly ratios?: readonly { readonly title: string; readonly figure: string; readonly base: string }[];
}

const LONE = {
  p50Ms: "p50 ms",
  p99Ms: "p99 ms",
  cpuUs: "CPU µs",
  callsUs: "in commands µs",
  calls: "commands",
  bytes: "bytes",
} as const;

const FOLLOW = {
  idleUs: "idle CPU µs/s",
  followMs: "follow all ms",
  followUs: "follow CPU µs",
  followBytes: "follow bytes",
  serverBytes: "memory in Valkey",
  taskBytes: "memory in the task",
  verifyUs: "verify CPU µs",
  verifyBytes: "verify bytes",
  refreshUs: "refresh CPU µs",
  unfollowUs: "unfollow CPU µs",
} as const;

const LOAD = {
  perCpuSecond: "messages per CPU-second",
  cpuUs: "CPU µs",
  tasksUs: "CPU µs of the tasks",
  deliveries: "deliveries",
  callsUs: "in commands µs",
  calls: "commands",
  bytes: "bytes",
} as const;

export const CASES: readonly BackplaneCase[] = [
  {
    name: "lone40",
    title: "40 channels, each followed by two of three tasks, one message at a time; per message",
    run: { kind: "lone", channels: 40, primaries: 1 },
    columns: LONE,
  },
  {
    name: "lone5000",
    title: "the same with 5,000 channels",
    run: { kind: "lone", channels: 5000, primaries: 1 },
    columns: LONE,
  },
  {
    name: "lone20000",
    title: "the same with 20,000 channels, and as a multiple of 40 channels; then per channel and follower",
    run: { kind: "lone", channels: 20_000, primaries: 1 },
    columns: { ...LONE, ...FOLLOW },
    ratios: [
      { title: "p99 ÷ 40", figure: "p99Ms", base: "lone40" },
      { title: "CPU ÷ 40", figure: "cpuUs", base: "lone40" },
    ],
  },
  {
    name: "one",
    title: "10 publishers, 1,000 channels, one primary; per message",
    run: { kind: "load", channels: 1000, primaries: 1 },
    columns: LOAD,
  },
  {
    name: "two",
    title: "the same with two primaries, and messages per CPU-second of the busier one as a multiple",
    run: { kind: "load", channels: 1000, primaries: 2 },
    columns: LOAD,
    ratios: [{ title: "÷ one", figure: "perCpuSecond", base: "one" }],
  },
  {
    name: "hot",
    title: "10 publishers, one channel that all tasks follow; per message",
    run: { kind: "load", channels: 1, primaries: 1 },
    columns: LOAD,
  },
  {
    name: "loss",
    title:
      "connections cut three times during appends to 300 channels; of pushed messages, every 50th discarded; then verified",
    run: { kind: "loss", channels: 300, primaries: 2 },
    columns: {
      stored: "stored",
      rejected: "rejected",
      missingBefore: "missing before",
      missing: "missing",
      extra: "extra",
      disordered: "disordered",
    },
  },
];

/** Figures of one case by design and repetition. */
export type CaseFigures = ReadonlyMap<DesignName, readonly Figures[]>;

/** The median of each figure. @param all the figures of all cases by name. */
export function renderCase(
  { name, title, columns, ratios: compared = [] }: BackplaneCase,
  all: ReadonlyMap<string, CaseFigures>,
): string {
  const figures = all.get(name) ?? new Map<DesignName, readonly Figures[]>();
  const head = ["", ...Object.values(columns), ...compared.map((ratio) => ratio.title)];
  const rows = [...figures].map(([design, runs]) => [
    design,
    ...Object.keys(columns).map((figure) => renderMedian(valuesOf(runs, figure))),
    ...compared.map(({ figure, base }) =>
      renderMedian(ratios(valuesOf(runs, figure), valuesOf(all.get(base)?.get(design) ?? [], figure))),
    ),
  ]);
  return `### ${name}: ${title}\n\n${table([head, ...rows])}`;
}

export function renderLegend(): string {
  return Object.entries(DESIGNS)
    .map(([name, { title }]) => `- ${name}: ${title}\n`)
    .join("");
}

function valuesOf(runs: readonly Figures[], figure: string): readonly number[] {
  return runs.map((run) => run[figure] ?? NaN);
}

function renderMedian(values: readonly number[]): string {
  const { median } = spread(values) ?? {};
  return median === undefined || Number.isNaN(median) ? "–" : renderNumber(median);
}
