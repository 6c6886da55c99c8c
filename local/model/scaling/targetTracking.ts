/**
 * The decisions of target tracking policies.
 * @see https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
 * @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-auto-scaling.html
 */
import { clamp, describeScaleIn, describeScaleOut } from "./change.ts";
import type { DeclaredPolicy } from "./declaredScaling.ts";
import type { Time } from "./schedule.ts";
import type { PolicyStatus } from "./status.ts";

/** Relative error of an average that is multiplied by its count again. It must not add a task. */
const ROUNDING_ERROR = 1e-9;

/** The time after a scaling activity of a policy. One cooldown replaces the other. */
export interface Cooldown {
  readonly after: "scale-out" | "scale-in";
  readonly until: Time;
  /** Tasks that ran before the first activity of an uninterrupted series. */
  readonly running: number;
}

/** The service and its alarms in one minute. */
interface Situation {
  readonly at: Time;
  readonly desired: number;
  readonly running: number;
  readonly min: number;
  readonly max: number;
  readonly isDeploying: boolean;
  readonly cooldown: Cooldown | undefined;
  readonly policies: readonly PolicyStatus[];
}

interface Change {
  readonly desired: number;
  readonly reason: string;
  readonly cooldown: Cooldown;
}

/** Any policy adds tasks. The policy with the largest capacity decides. */
export function scaleOut(policies: readonly DeclaredPolicy[], situation: Situation): Change | undefined {
  const { at, desired: from, running, min, max, cooldown } = situation;
  const [wanted] = wantedCapacities(policies, situation, ({ high }) => high === "alarm");
  if (wanted === undefined) return undefined;
  const isCooling = cooldown?.after === "scale-out" && at < cooldown.until;
  const before = isCooling ? Math.min(running, cooldown.running) : running;
  // During the cooldown, the tasks that the previous scale-out has added count as a part of this one.
  const desired = clamp(wanted.capacity - (running - before), min, max);
  if (desired <= from) return undefined;
  return {
    desired,
    reason: describeScaleOut(wanted, wanted.capacity > max ? wanted.capacity : undefined),
    cooldown: {
      after: "scale-out",
      until: at + wanted.policy.scaleOutCooldownSeconds * 1000,
      running: before,
    },
  };
}

/** All policies that remove tasks must agree. The policy with the largest capacity decides. */
export function scaleIn(policies: readonly DeclaredPolicy[], situation: Situation): Change | undefined {
  const { at, desired: from, running, min, max, cooldown, isDeploying } = situation;
  const isCooling = cooldown?.after === "scale-in" && at < cooldown.until;
  const isAnyHigh = situation.policies.some(({ high }) => high === "alarm");
  if (isDeploying || isCooling || isAnyHigh) return undefined;
  const removing = policies.filter(({ disableScaleIn }) => !disableScaleIn);
  const ready = wantedCapacities(removing, situation, ({ low }) => low === "alarm");
  const [wanted] = ready;
  if (wanted === undefined || ready.length < removing.length) return undefined;
  const desired = clamp(wanted.capacity, min, max);
  if (desired >= from) return undefined;
  return {
    desired,
    reason: describeScaleIn(wanted),
    cooldown: { after: "scale-in", until: at + wanted.policy.scaleInCooldownSeconds * 1000, running },
  };
}

interface Wanted {
  readonly policy: DeclaredPolicy;
  readonly metric: PolicyStatus["metric"];
  readonly value: number;
  readonly target: number;
  /** Number of tasks with which the metric would be at its target. */
  readonly capacity: number;
}

/**
 * The capacities that policies compute if their alarm is in alarm and their metric has a data point in this minute, the largest first.
 * AWS starts from the tasks that run, and rounds up, so that it neither adds too few tasks nor removes too many.
 */
function wantedCapacities(
  policies: readonly DeclaredPolicy[],
  { running, policies: statuses }: Situation,
  isInAlarm: (status: PolicyStatus) => boolean,
): readonly Wanted[] {
  return policies
    .flatMap((policy) => {
      const status = statuses.find(({ name }) => name === policy.name);
      if (status?.value === undefined || !isInAlarm(status)) return [];
      const { metric, value, target } = status;
      const capacity = Math.ceil(((running * value) / target) * (1 - ROUNDING_ERROR));
      return { policy, metric, value, target, capacity };
    })
    .sort((a, b) => b.value / b.target - a.value / a.target);
}
