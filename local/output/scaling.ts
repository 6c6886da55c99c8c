import type { Paint } from "../../cli/paint.ts";
import type { PolicyStatus, ScalingStatus } from "../events.ts";

/** Formats one row per policy: its metric, the last data point and the target, and an alarm. */
export function policyTable({ policies, desired, min }: ScalingStatus, paint: Paint): readonly string[] {
  const metricWidth = Math.max(...policies.map(({ metric }) => metric.length));
  const values = policies.map(describeValue);
  const valueWidth = Math.max(...values.map((text) => text.length));
  return policies.map((policy, index) => {
    const { metric } = policy;
    const alarm = describeAlarm(policy, desired > min, paint);
    return `  ${paint("dim", metric.padEnd(metricWidth))}  ${(values[index] ?? "").padEnd(valueWidth)}  ${alarm}`.trimEnd();
  });
}

function describeValue({ metric, value, target }: PolicyStatus): string {
  const text = value === undefined ? "–" : String(Number(value.toFixed(1)));
  return `${text} / ${target}${metric === "CPU" ? "%" : ""}`;
}

/** At the minimum, the alarm that removes tasks has no effect. */
function describeAlarm({ high, low }: PolicyStatus, canRemove: boolean, paint: Paint): string {
  if (high === "alarm") return paint("bad", "ALARM");
  return low === "alarm" && canRemove ? paint("warn", "low") : "";
}
