/** The declared autoscaling of the service: its scalable target, target tracking policies and scheduled actions. */
import { metricDefinitions } from "../../../app/src/settings/metricDefinitions.ts";
import { type DeclaredGraph, type DeclaredResource, findResources } from "../../../infra/evaluation/graph.ts";
import type { UnsupportedResource } from "../unsupported.ts";
import { FieldReader } from "../fieldReader.ts";
import { readSchedule, type Schedule } from "./schedule.ts";
import type { MetricIdentity } from "../metrics/embeddedMetrics.ts";
import type { ScalingMetric } from "./status.ts";

const TARGET = "aws:appautoscaling/target:Target";
const POLICY = "aws:appautoscaling/policy:Policy";
const SCHEDULED_ACTION = "aws:appautoscaling/scheduledAction:ScheduledAction";

/**
 * For the `ecs` namespace.
 * @see https://docs.aws.amazon.com/autoscaling/application/APIReference/API_TargetTrackingScalingPolicyConfiguration.html
 */
const AWS_DEFAULTS = {
  scaleOutCooldownSeconds: 300,
  scaleInCooldownSeconds: 300,
  disableScaleIn: false,
  timeZone: "UTC",
} as const;

const PREDEFINED_METRICS = {
  ALBRequestCountPerTarget: "requests per target",
  ECSServiceAverageCPUUtilization: "CPU",
} as const satisfies Record<string, ScalingMetric>;

export interface DeclaredScaling {
  /** Numbers of tasks, until a scheduled action changes them. */
  readonly min: number;
  readonly max: number;
  /** Whether a deployment of another `min` and `max` leaves those that scheduled actions have set: `ignoreChanges` has them. */
  readonly keepsRange: boolean;
  readonly policies: readonly DeclaredPolicy[];
  readonly schedules: readonly DeclaredSchedule[];
}

/** A target tracking policy. */
export interface DeclaredPolicy {
  readonly name: string;
  readonly metric: ScalingMetric;
  /** Identity of the metric in CloudWatch if the tasks log it; absent for the metrics of AWS. */
  readonly logged?: MetricIdentity;
  readonly target: number;
  readonly scaleOutCooldownSeconds: number;
  readonly scaleInCooldownSeconds: number;
  /** Whether the policy only adds tasks. */
  readonly disableScaleIn: boolean;
}

/** A scheduled action, which replaces the minimum, the maximum or both. */
export interface DeclaredSchedule {
  readonly name: string;
  readonly schedule: Schedule;
  readonly min: number | undefined;
  readonly max: number | undefined;
}

/**
 * @returns `undefined` if the program declares no scalable target.
 * @throws {ExpectedError} that names the resource and the input that the local stack cannot emulate.
 */
export function readScaling(graph: DeclaredGraph): DeclaredScaling | undefined {
  const target = readScalableTarget(graph);
  if (target === undefined) return undefined;
  const { min, max, keepsRange } = target;
  return {
    min,
    max,
    keepsRange,
    policies: findResources(graph, POLICY)
      .filter((policy) => !isUnmeasured(policy))
      .map((policy) => readPolicy(policy.name, FieldReader.inputsOf(policy))),
    schedules: findResources(graph, SCHEDULED_ACTION).map((action) =>
      readScheduledAction(action.name, FieldReader.inputsOf(action)),
    ),
  };
}

/** @returns `undefined` if the program declares no scalable target. */
export function readScalableTarget(
  graph: DeclaredGraph,
): (Pick<DeclaredScaling, "min" | "max" | "keepsRange"> & { readonly name: string }) | undefined {
  const [resource] = findResources(graph, TARGET);
  if (resource === undefined) return undefined;
  const target = FieldReader.inputsOf(resource);
  target.choice("scalableDimension", ["ecs:service:DesiredCount"]);
  return {
    name: resource.name,
    min: target.number("minCapacity"),
    max: target.number("maxCapacity"),
    keepsRange: resource.options.ignoreChanges.includes("minCapacity"),
  };
}

/** Policies on metrics that nothing on this machine reports. */
export function unmeasuredPolicies(graph: DeclaredGraph): readonly UnsupportedResource[] {
  return findResources(graph, POLICY)
    .filter(isUnmeasured)
    .map(({ type, name }) => ({
      type,
      name,
      reason: "only AWS has its metric, so the policy adds no tasks here",
    }));
}

/** Whether a metric is that of another server or service. */
function isUnmeasured(policy: DeclaredResource): boolean {
  const tracking = FieldReader.inputsOf(policy).objectOrEmpty("targetTrackingScalingPolicyConfiguration");
  return (
    tracking.has("customizedMetricSpecification") &&
    tracking.object("customizedMetricSpecification").text("metricName", "") !==
      metricDefinitions.connections.cloudWatch.name
  );
}

function readPolicy(name: string, inputs: FieldReader): DeclaredPolicy {
  inputs.choice("policyType", ["TargetTrackingScaling"]);
  const tracking = inputs.object("targetTrackingScalingPolicyConfiguration");
  return {
    name,
    ...readMetric(tracking),
    target: tracking.number("targetValue"),
    scaleOutCooldownSeconds: tracking.number("scaleOutCooldown", AWS_DEFAULTS.scaleOutCooldownSeconds),
    scaleInCooldownSeconds: tracking.number("scaleInCooldown", AWS_DEFAULTS.scaleInCooldownSeconds),
    disableScaleIn: tracking.flag("disableScaleIn", AWS_DEFAULTS.disableScaleIn),
  };
}

function readMetric(tracking: FieldReader): Pick<DeclaredPolicy, "metric" | "logged"> {
  if (!tracking.has("customizedMetricSpecification")) {
    const predefined = tracking.object("predefinedMetricSpecification");
    const type = predefined.choice("predefinedMetricType", [
      "ALBRequestCountPerTarget",
      "ECSServiceAverageCPUUtilization",
    ]);
    return { metric: PREDEFINED_METRICS[type] };
  }
  const custom = tracking.object("customizedMetricSpecification");
  const name = custom.choice("metricName", [metricDefinitions.connections.cloudWatch.name]);
  custom.choice("statistic", ["Average"]);
  const dimensions = custom
    .list("dimensions")
    .map((dimension) => [dimension.text("name"), dimension.text("value")] as const);
  return {
    metric: "connections per task",
    logged: { namespace: custom.text("namespace"), name, dimensions: Object.fromEntries(dimensions) },
  };
}

function readScheduledAction(name: string, inputs: FieldReader): DeclaredSchedule {
  const schedule = readSchedule(inputs.text("schedule"), inputs.text("timezone", AWS_DEFAULTS.timeZone));
  if (schedule === undefined) {
    throw inputs.unsupportedError(
      "schedule",
      "a cron expression such as cron(0 8 ? * MON-FRI *), with names of days, and a time zone such as Europe/Paris",
    );
  }
  const action = inputs.object("scalableTargetAction");
  return {
    name,
    schedule,
    min: action.has("minCapacity") ? action.number("minCapacity") : undefined,
    max: action.has("maxCapacity") ? action.number("maxCapacity") : undefined,
  };
}
