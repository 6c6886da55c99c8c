/** Runs the autoscaler minute by minute. */
import {
  initialScaling,
  type ScalingInput,
  type ScalingState,
  stepScaling,
} from "../../../../local/model/scaling/autoscaler.ts";
import type { DeclaredPolicy, DeclaredScaling } from "../../../../local/model/scaling/declaredScaling.ts";
import type { ScalingStatus } from "../../../../local/model/scaling/status.ts";

export const MINUTE_MS = 60_000;
export const START = Date.UTC(2026, 10, 30);

export const policy = (changes: Partial<DeclaredPolicy> = {}): DeclaredPolicy => ({
  name: "connections",
  metric: "connections per task",
  target: 5,
  scaleOutCooldownSeconds: 300,
  scaleInCooldownSeconds: 300,
  disableScaleIn: false,
  ...changes,
});

export const scaling = (changes: Partial<DeclaredScaling> = {}): DeclaredScaling => ({
  min: 1,
  max: 10,
  policies: [policy()],
  keepsRange: false,
  schedules: [],
  ...changes,
});

/** What is observed in a minute, given the tasks of that minute. */
export interface Minute {
  /** @default all desired tasks */
  readonly running?: number;
  readonly isDeploying?: boolean;
  /** By the name of the policy. */
  readonly values: Readonly<Record<string, number | undefined>>;
}

export interface Run {
  /** The desired count after each minute. */
  readonly counts: readonly number[];
  /** With the minute in front, the first being 1. */
  readonly reasons: readonly string[];
  readonly statuses: readonly ScalingStatus[];
}

/** @param observe the minute with this number, the first being 1, in which `tasks` are desired. */
export function run(
  declared: DeclaredScaling,
  { minutes, desired }: { readonly minutes: number; readonly desired: number },
  observe: (minute: number, tasks: number) => Minute,
): Run {
  let state: ScalingState = initialScaling(declared, START);
  let tasks = desired;
  const statuses: ScalingStatus[] = [];
  const reasons: string[] = [];
  for (let minute = 1; minute <= minutes; minute++) {
    const { running = tasks, isDeploying = false, values } = observe(minute, tasks);
    const input: ScalingInput = {
      at: START + minute * MINUTE_MS,
      desired: tasks,
      running,
      isDeploying,
      datapoints: new Map(Object.entries(values)),
    };
    const step = stepScaling(declared, state, input);
    state = step.state;
    statuses.push(step.status);
    if (step.reason !== undefined) reasons.push(`${minute}: ${step.reason}`);
    tasks = step.status.desired;
  }
  return { counts: statuses.map((status) => status.desired), reasons, statuses };
}
