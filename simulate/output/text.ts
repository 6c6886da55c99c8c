/** The results as text of 80 columns. */
import { UNITS } from "../../local/model/scaling/change.ts";
import type { Load } from "../load/load.ts";
import { PRICES } from "../prices.ts";
import type { SimulatedStack } from "../stack.ts";
import type { Result } from "../summary.ts";
import { renderChart, sideBySide } from "./chart.ts";
import {
  axisEnd,
  connectionsSeries,
  formatCount,
  formatTime,
  type Series,
  shorten,
  tasksSeries,
} from "./series.ts";

const WIDTH = 80;
const GAP = 2;
const CHART_HEIGHT = 8;
/** Columns of a stack's name above its figures. */
const MAX_HEADER = 28;
/** `--json` has all of them. */
const MAX_DECISIONS = 16;

export function renderText(load: Load, results: readonly Result[]): string {
  const width = Math.floor((WIDTH - GAP * (results.length - 1)) / results.length);
  const charts = (toSeries: (result: Result) => Series): readonly string[] => {
    const all = results.map(toSeries);
    const end = axisEnd(all);
    return sideBySide(
      all.map((series) => renderChart(series, { width, height: CHART_HEIGHT }, end)),
      width,
    );
  };
  return [
    describeLoad(load, results),
    ...results.map(({ stack }) => describeStack(stack)),
    "",
    ...(results.length > 1
      ? [
          ...sideBySide(
            results.map(({ stack }) => [shorten(stack.name, width)]),
            width,
          ),
          "",
        ]
      : []),
    ...charts(tasksSeries),
    "",
    ...charts(connectionsSeries),
    "",
    ...renderFigures(results),
    "",
    ...results.flatMap((result) => [...renderDecisions(result), ""]),
  ]
    .join("\n")
    .trimEnd()
    .concat("\n");
}

function describeLoad({ name, minutes }: Load, results: readonly Result[]): string {
  const connections = results.flatMap(({ simulation }) =>
    simulation.minutes.map((minute) => minute.connections + minute.waiting),
  );
  return `${name}, ${formatTime(minutes.length)}, at most ${formatCount(Math.max(...connections))} clients`;
}

function describeStack({ name, scaling, limits, deployment }: SimulatedStack): string {
  const policies = scaling.policies.map(({ metric, target }) => `${metric} ${target}${UNITS[metric]}`);
  const task = `${deployment.taskCpus} vCPU, ${deployment.taskGB} GB, ${formatCount(limits.maxConnections)} connections`;
  return [
    name,
    `  ${scaling.min} to ${scaling.max} tasks, each ${task}`,
    `  targets: ${policies.join(", ")}`,
  ].join("\n");
}

function renderFigures(results: readonly Result[]): readonly string[] {
  const rows: readonly (readonly [label: string, of: (result: Result) => string])[] = [
    [
      "tasks",
      ({ summary }) =>
        `${summary.minTasks} to ${summary.maxTasks}, average ${summary.averageTasks.toFixed(1)}`,
    ],
    ["scaled", ({ summary }) => `${summary.scaleOuts} out, ${summary.scaleIns} in`],
    ["busiest task", ({ summary }) => `${formatCount(summary.busiest)} connections`],
    ["CPU", ({ summary }) => `at most ${formatCount(summary.maxCpuPercent)}%`],
    [
      "average above target",
      ({ summary }) =>
        summary.minutesAboveTarget === undefined ? "–" : `${formatCount(summary.minutesAboveTarget)} min`,
    ],
    ["above capacity", ({ summary }) => `${formatCount(summary.minutesAboveCapacity)} min`],
    ["refused attempts", ({ summary }) => formatCount(summary.refused)],
    ["clients that waited", ({ summary }) => `at most ${formatCount(summary.maxWaiting)}`],
    ["cost of a month", ({ summary }) => formatDollars(summary.cost.total)],
    ["  tasks", ({ summary }) => formatDollars(summary.cost.tasks)],
    ["  load balancer", ({ summary }) => formatDollars(summary.cost.loadBalancer)],
    ["  public addresses", ({ summary }) => formatDollars(summary.cost.publicAddresses)],
    ["  backplane", ({ summary }) => formatDollars(summary.cost.backplane)],
  ];
  const cells = rows.map(([label, of]) => [label, ...results.map(of)]);
  const header =
    results.length > 1 ? [["", ...results.map(({ stack }) => shorten(stack.name, MAX_HEADER))]] : [];
  const table = [...header, ...cells];
  const widths = [0, ...results.map((_, at) => at + 1)].map((column) =>
    Math.max(...table.map((row) => row[column]?.length ?? 0)),
  );
  return [
    ...table.map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    ),
    `Prices: ${PRICES.region}, ${PRICES.date}; no data transfer, CloudFront, logs or metrics.`,
  ];
}

function renderDecisions({ stack, simulation }: Result): readonly string[] {
  const decisions = simulation.minutes.flatMap(({ minute, reason }) =>
    reason === undefined ? [] : `  ${formatClock(minute + 1)}  ${reason}`,
  );
  if (decisions.length === 0) return [`${stack.name} did not scale.`];
  const more = decisions.length - MAX_DECISIONS;
  return [
    `Decisions of ${stack.name}:`,
    ...decisions.slice(0, MAX_DECISIONS),
    ...(more > 0 ? [`  … and ${more} more, which --json lists`] : []),
  ];
}

function formatDollars(amount: number): string {
  return `$${formatCount(Math.round(amount))}`;
}

/** Hours and minutes since the start, such as `07:12`. */
function formatClock(minutes: number): string {
  return `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
}
