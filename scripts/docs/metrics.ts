/** The table of metrics in docs/metrics.md. */
import { metricDefinitions } from "../../app/src/settings/metricDefinitions.ts";
import type { MetricDefinition, MetricKind } from "../../app/src/settings/metricDefinitions.ts";
import { code, renderTable } from "./markdown.ts";

const TYPES: Readonly<Record<MetricKind, string>> = {
  gauge: "gauge",
  counter: "counter",
  tally: "counter",
  latency: "histogram",
  eventLoopDelay: "gauge",
};

/** Node.js' own metrics, which have no rows. */
const NODE_ROW = [
  "`process_*`, `nodejs_*`",
  "various",
  "in the name",
  "The process and Node.js.",
  "of the service, by ECS",
  "memory near the task's",
];

export function renderMetrics(): string {
  const rows = Object.values<MetricDefinition>(metricDefinitions).map((definition) => {
    const { kind, name, unit, help, label, alarm = "–" } = definition;
    const labelled = label === undefined ? name : `${name}{${label}}`;
    return [code(labelled), TYPES[kind], unit, help, describeCloudWatch(definition), alarm];
  });
  return renderTable(
    ["Prometheus", "Type", "Unit", "Meaning", "CloudWatch (unit if it differs)", "Alarm if"],
    [...rows, NODE_ROW],
  );
}

function describeCloudWatch({ kind, unit, cloudWatch, logField }: MetricDefinition): string {
  const log = logField === undefined ? "" : `; the log has ${code(logField)}`;
  if (cloudWatch === undefined) return `none${log}`;
  const suffixes = kind === "latency" || kind === "eventLoopDelay" ? ["P50", "P99"] : [""];
  const names = suffixes.map((suffix) => code(`${cloudWatch.name}${suffix}`)).join(", ");
  const cloudWatchUnit = cloudWatch.unit.toLowerCase();
  const differs = cloudWatchUnit !== "count" && cloudWatchUnit !== unit;
  return `${names}${differs ? ` (${cloudWatchUnit})` : ""}${log}`;
}
