/** Changes of the desired count, and their reasons in one line. */
import { HIGH_ALARM_MINUTES, LOW_ALARM_MINUTES, LOW_ALARM_SHARE } from "./alarm.ts";
import type { ScalingMetric } from "./status.ts";

/** What follows a value of a metric. */
export const UNITS: Readonly<Record<ScalingMetric, string>> = {
  "connections per task": "",
  "requests per target": "",
  CPU: "%",
};

/** The metric of a policy in the minute of its decision. */
interface Measured {
  readonly metric: ScalingMetric;
  readonly value: number;
  readonly target: number;
}

/** @param needed tasks that the policy needs, if the maximum is below. */
export function describeScaleOut({ metric, value, target }: Measured, needed: number | undefined): string {
  const unit = UNITS[metric];
  const cause = `${metric} ${formatValue(value)}${unit} > ${formatValue(target)}${unit} for ${HIGH_ALARM_MINUTES} min`;
  return needed === undefined ? cause : `${cause}, which needs ${needed} tasks`;
}

export function describeScaleIn({ metric, value, target }: Measured): string {
  const unit = UNITS[metric];
  const threshold = `${formatValue(target * LOW_ALARM_SHARE)}${unit}`;
  return `${metric} ${formatValue(value)}${unit} < ${threshold} for ${LOW_ALARM_MINUTES} min`;
}

export function describeScheduledAction(name: string, min: number, max: number): string {
  return `scheduled action ${name}, ${min} to ${max} tasks`;
}

/** Such as `connections per task 12.4 > 5 for 3 min: 1 → 3 tasks`. */
export function describeChange(reason: string, from: number, to: number): string {
  return `${reason}: ${from} → ${to} ${to === 1 ? "task" : "tasks"}`;
}

/** Small values have two decimals at most, others one. */
function formatValue(value: number): string {
  return String(Number(value.toFixed(Math.abs(value) < 10 ? 2 : 1)));
}

export function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value));
}
