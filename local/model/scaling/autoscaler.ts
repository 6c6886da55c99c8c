/**
 * Application Auto Scaling of a service: target tracking policies and scheduled actions, as a pure state machine.
 * docs/decisions/0031-the-autoscaler-model-follows-aws-documents.md lists what AWS documents and what this model assumes.
 */
import { type Datapoint, highAlarm, lowAlarm, MAX_DATAPOINTS } from "./alarm.ts";
import { describeChange } from "./change.ts";
import type { DeclaredPolicy, DeclaredScaling } from "./declaredScaling.ts";
import { runScheduledActions } from "./scheduledActions.ts";
import type { Time } from "./schedule.ts";
import type { PolicyStatus, ScalingStatus } from "./status.ts";
import { type Cooldown, scaleIn, scaleOut } from "./targetTracking.ts";

/** What the autoscaler keeps from one minute to the next. */
export interface ScalingState {
  /** The time of the last step. Scheduled actions up to it have run. */
  readonly at: Time;
  /** Numbers of tasks that the last scheduled action has set, or the declared ones. */
  readonly min: number;
  readonly max: number;
  /** By the name of the policy, the newest last. */
  readonly datapoints: ReadonlyMap<string, readonly Datapoint[]>;
  readonly cooldown: Cooldown | undefined;
}

/** What the autoscaler observes in one minute. */
export interface ScalingInput {
  readonly at: Time;
  /** The desired count. */
  readonly desired: number;
  /** Tasks that run and are part of the metrics. */
  readonly running: number;
  /** The data point of this minute by the name of the policy; `undefined` if the metric has none. */
  readonly datapoints: ReadonlyMap<string, Datapoint>;
  /** Whether a deployment is in progress. Then AWS adds tasks, but removes none. */
  readonly isDeploying: boolean;
}

export interface ScalingStep {
  readonly state: ScalingState;
  /** Contains the desired count after this step. */
  readonly status: ScalingStatus;
  /** Why the desired count changed, such as `connections per task 12.4 > 5 for 3 min: 1 → 3 tasks`; `undefined` if it did not. */
  readonly reason: string | undefined;
}

/** @param at scheduled actions run after this time. */
export function initialScaling({ min, max }: DeclaredScaling, at: Time): ScalingState {
  return { at, min, max, datapoints: new Map(), cooldown: undefined };
}

/**
 * One minute of the autoscaler. CloudWatch invokes the actions of policies once a minute while an alarm remains in alarm.
 * @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-actions.html
 */
export function stepScaling(
  scaling: DeclaredScaling,
  previous: ScalingState,
  input: ScalingInput,
): ScalingStep {
  const scheduled = runScheduledActions(scaling.schedules, previous, input);
  const { desired, min, max } = scheduled;
  const datapoints = appendDatapoints(scaling.policies, previous.datapoints, input.datapoints);
  const policies = scaling.policies.map((policy) => statusOf(policy, datapoints.get(policy.name) ?? []));
  const state = { ...previous, at: input.at, min, max, datapoints };
  const status = { desired, min, max, policies };
  if (scheduled.reason !== undefined) {
    return { state, status, reason: describeChange(scheduled.reason, input.desired, desired) };
  }
  const situation = { ...input, min, max, cooldown: previous.cooldown, policies };
  const change = scaleOut(scaling.policies, situation) ?? scaleIn(scaling.policies, situation);
  if (change === undefined) return { state, status, reason: undefined };
  return {
    state: { ...state, cooldown: change.cooldown },
    status: { ...status, desired: change.desired },
    reason: describeChange(change.reason, desired, change.desired),
  };
}

function appendDatapoints(
  policies: readonly DeclaredPolicy[],
  previous: ScalingState["datapoints"],
  current: ScalingInput["datapoints"],
): ScalingState["datapoints"] {
  return new Map(
    policies.map(({ name }) => {
      const datapoints = [...(previous.get(name) ?? []), current.get(name)];
      return [name, datapoints.slice(-MAX_DATAPOINTS)];
    }),
  );
}

function statusOf({ name, metric, target }: DeclaredPolicy, datapoints: readonly Datapoint[]): PolicyStatus {
  return {
    name,
    metric,
    value: datapoints.at(-1),
    target,
    high: highAlarm(datapoints, target),
    low: lowAlarm(datapoints, target),
  };
}
