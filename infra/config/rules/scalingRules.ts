/** Rules between the keys of autoscaling, and warnings about them. */
import type { Problem } from "../../../app/src/settings/problem.ts";
import type { Settings } from "../../../app/src/settings/settings.ts";
import { scalingDefinitions } from "../scalingDefinitions.ts";
import type { ServiceConfig } from "../serviceConfig.ts";
import { connectionsOf, maxCpuShare } from "./taskCapacity.ts";
import type { TaskCapacity } from "./taskCapacity.ts";

type KeyOf = (name: string) => string;

/** The alarms of target tracking evaluate periods of one minute. */
const ALARM_PERIOD_SECONDS = 60;

/** The keys of the thresholds. A threshold of 0 has no policy. */
const THRESHOLDS = ["connectionsPerTask", "requestsPerTarget", "cpuPercent"] as const;

type Threshold = (typeof THRESHOLDS)[number];

/** Maximum share of what a task carries for a threshold: the alarm, the new task and its first clients take minutes. */
const MAX_SHARE = 0.8;

export type ScalingConfig = Pick<ServiceConfig, Threshold> & {
  readonly settings: Pick<Settings, "metricsLogSeconds">;
  /** Whether a metric of the user scales the tasks. @default false */
  readonly hasScalingMetric?: boolean;
};

/**
 * Returns a problem for each rule that the keys of autoscaling break.
 * @param keyOf adds the namespace to a key.
 */
export function checkScaling(config: ScalingConfig, keyOf: KeyOf): readonly Problem[] {
  const problems = checkThresholds(config, THRESHOLDS, keyOf);
  return problems.length > 0 ? problems : checkMetricsInterval(config, keyOf);
}

/** As {@link checkScaling}, for another server than ours, which reports no connections. */
export function checkOwnScaling(config: ScalingConfig, keyOf: KeyOf): readonly Problem[] {
  return checkThresholds(config, ["requestsPerTarget", "cpuPercent"], keyOf);
}

function checkThresholds(
  config: ScalingConfig,
  [first, ...others]: readonly [Threshold, ...Threshold[]],
  keyOf: KeyOf,
): readonly Problem[] {
  if (config.hasScalingMetric === true || [first, ...others].some((name) => config[name] > 0)) return [];
  return [
    {
      key: keyOf(first),
      got: `0, as ${others.map(keyOf).join(" and ")}`,
      expected: "at least one threshold above 0, because the number of tasks would never change",
      fix: [{ set: keyOf(first), to: String(scalingDefinitions[first].default) }],
    },
  ];
}

function checkMetricsInterval(config: ScalingConfig, keyOf: KeyOf): readonly Problem[] {
  const { metricsLogSeconds } = config.settings;
  const isRegular = metricsLogSeconds > 0 && metricsLogSeconds <= ALARM_PERIOD_SECONDS;
  if (config.connectionsPerTask === 0 || isRegular) return [];
  const hasOtherThreshold = config.requestsPerTarget > 0 || config.cpuPercent > 0;
  return [
    {
      key: keyOf("metricsLogSeconds"),
      got: String(metricsLogSeconds),
      expected:
        `1 to ${ALARM_PERIOD_SECONDS}, because ${keyOf("connectionsPerTask")} (${config.connectionsPerTask}) requires the ` +
        "number of connections of each task every minute",
      fix: [{ set: keyOf("metricsLogSeconds"), to: String(ALARM_PERIOD_SECONDS) }],
      ...(hasOtherThreshold && { alternative: [{ set: keyOf("connectionsPerTask"), to: "0" }] }),
    },
  ];
}

/** Warnings about legal thresholds that are above what a task carries, as sentences. */
export function scalingWarnings(config: ScalingConfig & TaskCapacity): readonly string[] {
  const { connectionsPerTask, cpuPercent, cpu } = config;
  const { most, limitedBy } = connectionsOf(config);
  const connections = Math.floor(MAX_SHARE * most);
  const percent = Math.floor(MAX_SHARE * maxCpuShare(config) * 100);
  const room = `Set it to at most ${MAX_SHARE * 100} % of that, because load still arrives while new tasks start:`;
  return [
    ...(connectionsPerTask > connections
      ? [
          `connectionsPerTask is ${connectionsPerTask}, and a task carries ${most} connections ` +
            `(${limitedBy}). ${room} ${connections}.`,
        ]
      : []),
    ...(cpuPercent > percent
      ? [
          `cpuPercent is ${cpuPercent}, and the server uses at most ${Math.floor(maxCpuShare(config) * 100)} % ` +
            `of cpu ${cpu}, because it runs in one thread. ${room} ${percent}.`,
        ]
      : []),
  ];
}
