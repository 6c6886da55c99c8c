/** The emulated autoscaler: it steps the model once a minute, with the metrics of that minute, and sets the number of tasks. */
import type { EmitEvent, PolicyStatus, ScalingStatus } from "../../events.ts";
import { acceleratedTime, minuteMs } from "../../model/metrics/clock.ts";
import { requestsPerTarget } from "../../model/metrics/requestsPerTarget.ts";
import type { MinuteOfTasks, TaskMetrics } from "../../model/metrics/taskMetrics.ts";
import type { Datapoint } from "../../model/scaling/alarm.ts";
import { initialScaling, stepScaling } from "../../model/scaling/autoscaler.ts";
import { clamp, describeChange } from "../../model/scaling/change.ts";
import type { DeclaredPolicy, DeclaredScaling } from "../../model/scaling/declaredScaling.ts";
import type { Time } from "../../model/scaling/schedule.ts";
import type { Targets } from "../tasks/targets.ts";
import type { Tasks } from "../tasks/tasks.ts";

export interface AutoscalerOptions {
  readonly scaling: DeclaredScaling;
  /** CPU units of a task. */
  readonly cpuUnits: number;
  readonly metrics: TaskMetrics;
  readonly targets: Pick<Targets, "requests" | "usable">;
  readonly tasks: Pick<Tasks, "desiredCount" | "setDesiredCount" | "deployments" | "status">;
  readonly emit: EmitEvent;
}

export interface Autoscaler {
  status(): ScalingStatus;
  /** Replaces what is declared. The alarms keep the data points of policies whose name remains. */
  update(declared: Pick<AutoscalerOptions, "scaling" | "cpuUnits">): void;
  /** Ends a minute of the metrics, and decides. @param at the autoscaler's time. */
  endMinute(at: Time): void;
}

/** Calls `endMinute` once a minute. @param speed minutes of the autoscaler in a real minute. @returns a function that stops the clock. */
export function startClock(autoscaler: Autoscaler, speed: number): () => void {
  const startedAt = Date.now();
  const clock = setInterval(() => {
    autoscaler.endMinute(acceleratedTime(speed, startedAt, Date.now()));
  }, minuteMs(speed));
  return () => {
    clearInterval(clock);
  };
}

/** @param startedAt the autoscaler's time. Scheduled actions run after it. */
export function createAutoscaler(options: AutoscalerOptions, startedAt: Time): Autoscaler {
  const { metrics, targets, tasks, emit } = options;
  let { scaling, cpuUnits } = options;
  let state = initialScaling(scaling, startedAt);
  let policies: readonly PolicyStatus[] = scaling.policies.map(initialStatus);
  let requestsBefore = targets.requests;

  function endMinute(at: Time): void {
    const minute = metrics.endMinute();
    const { requests } = targets;
    const requestMetric = requestsPerTarget(requestsBefore, targets);
    requestsBefore = requests;
    const datapoints = new Map(
      scaling.policies.map((policy) => [policy.name, datapointOf(policy, minute, requestMetric)]),
    );
    const step = stepScaling(scaling, state, {
      at,
      desired: tasks.desiredCount,
      running: minute.tasks,
      datapoints,
      isDeploying: isDeploying(tasks),
    });
    ({ state } = step);
    report(step.status.policies);
    setDesired(step.status.desired, step.reason ?? "");
  }

  function datapointOf(
    { metric, logged }: DeclaredPolicy,
    minute: MinuteOfTasks,
    requestMetric: Datapoint,
  ): Datapoint {
    switch (metric) {
      case "connections per task":
        return logged && minute.average(logged);
      case "requests per target":
        return requestMetric;
      case "CPU":
        return minute.cpuPercent(cpuUnits);
    }
  }

  function report(current: readonly PolicyStatus[]): void {
    for (const { name: policy, metric, target, value, high, low } of current) {
      const event = { policy, metric, target };
      if (value !== undefined) emit({ event: "metric", ...event, value });
      const before = policies.find(({ name }) => name === policy);
      if (high !== before?.high) emit({ event: "alarm", ...event, alarm: "high", state: high });
      if (low !== before?.low) emit({ event: "alarm", ...event, alarm: "low", state: low });
    }
    policies = current;
  }

  function setDesired(to: number, reason: string): void {
    const from = tasks.desiredCount;
    if (to === from) return;
    emit({ event: "scaled", from, to, reason });
    tasks.setDesiredCount(to);
  }

  return {
    endMinute,
    status: () => ({ desired: tasks.desiredCount, min: state.min, max: state.max, policies }),
    update(declared) {
      ({ scaling, cpuUnits } = declared);
      const { min, max } = scaling.keepsRange ? state : scaling;
      state = { ...state, min, max };
      policies = scaling.policies.map(
        (policy) => policies.find(({ name }) => name === policy.name) ?? initialStatus(policy),
      );
      const desired = clamp(tasks.desiredCount, min, max);
      const reason = describeChange(`${min} to ${max} tasks declared`, tasks.desiredCount, desired);
      setDesired(desired, reason);
    },
  };
}

/** A deployment is in progress until the tasks of earlier revisions have ended, because their clients reconnect until then. */
function isDeploying(tasks: AutoscalerOptions["tasks"]): boolean {
  const deployments = tasks.deployments();
  return (
    deployments.some(({ state }) => state === "in-progress") ||
    tasks.status().some(({ revision }) => revision !== deployments.at(-1)?.revision)
  );
}

function initialStatus({ name, metric, target }: DeclaredPolicy): PolicyStatus {
  return { name, metric, target, value: undefined, high: "insufficient-data", low: "insufficient-data" };
}
