import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import {
  METRIC_NAMESPACE,
  metricDefinitions,
  SERVICE_DIMENSION,
} from "../../../app/src/settings/metricDefinitions.ts";
import { applyTransform } from "../transform.ts";
import type { Transform } from "../transform.ts";
import type { ScheduledAction } from "../../config/schedule.ts";

export interface AutoscalingArgs {
  /** Name of the ECS cluster. */
  readonly clusterName: pulumi.Input<string>;
  /** Name of the ECS service. */
  readonly serviceName: pulumi.Input<string>;
  /** Minimum number of tasks. */
  readonly minTasks: number;
  /** Maximum number of tasks. */
  readonly maxTasks: number;
  /** Target value: average number of open WebSockets per task. 0 declares no policy. */
  readonly connectionsPerTask: number;
  /**
   * Target value: requests per task and minute. A WebSocket handshake is one request and its messages are none, so this
   * value follows the rate of new connections. 0 declares no policy.
   */
  readonly requestsPerTarget: number;
  /** Target value: average CPU utilization of the tasks, in percent of their CPU units. 0 declares no policy. */
  readonly cpuPercent: number;
  /** Another metric. @default none */
  readonly scalingMetric?: ScalingMetric;
  /** Seconds after a scale-out before the next one. */
  readonly scaleOutCooldownSeconds: number;
  /** Seconds after a scale-in before the next one. */
  readonly scaleInCooldownSeconds: number;
  /** Times at which other numbers replace `minTasks` and `maxTasks`. */
  readonly scheduledActions: readonly ScheduledAction[];
  /** Value of the dimension of the metrics that the tasks log: their setting `serviceName`. */
  readonly metricsServiceName: string;
  /** ARN suffix of the load balancer for CloudWatch: `app/NAME/ID`. */
  readonly loadBalancerArnSuffix: pulumi.Input<string>;
  /** ARN suffix of the target group for CloudWatch: `targetgroup/NAME/ID`. */
  readonly targetGroupArnSuffix: pulumi.Input<string>;
  readonly transform?: AutoscalingTransform | undefined;
}

export interface AutoscalingTransform {
  /** The range of the task count. */
  readonly scalableTarget?: Transform<aws.appautoscaling.TargetArgs>;
  /** Each target tracking policy. */
  readonly scalingPolicy?: Transform<aws.appautoscaling.PolicyArgs>;
}

/**
 * A CloudWatch metric and its target value. The metric must fall in proportion if tasks are added, as an average over the tasks
 * does. Another metric scales without end.
 * @see https://docs.aws.amazon.com/autoscaling/application/userguide/create-target-tracking-policy-cli.html
 */
export interface ScalingMetric {
  /** Namespace, such as `MyApp`. */
  readonly namespace: pulumi.Input<string>;
  /** Name, such as `Subscriptions`. */
  readonly name: pulumi.Input<string>;
  /** Dimensions: all those with which the metric is published. @default none */
  readonly dimensions?: Readonly<Record<string, pulumi.Input<string>>>;
  /** Statistic of the data points of a minute. @default Average */
  readonly statistic?: "Average" | "Maximum" | "Minimum" | "SampleCount" | "Sum";
  /** Unit, as the metric is published, such as `Count`. @default all units */
  readonly unit?: string;
  /** Target value; more than 0. */
  readonly target: number;
}

type Tracking = aws.types.input.appautoscaling.PolicyTargetTrackingScalingPolicyConfiguration;

/** The metric that a policy tracks. */
type TrackedMetric = Pick<Tracking, "predefinedMetricSpecification" | "customizedMetricSpecification">;

/**
 * Target tracking of the service's task count, with one policy per threshold. Each policy can add tasks. Tasks are removed
 * only if all policies agree. Scheduled actions change the range of the task count.
 * @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-autoscaling-targettracking.html
 */
export class Autoscaling extends pulumi.ComponentResource {
  constructor(name: string, args: AutoscalingArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:Autoscaling", name, {}, opts);
    const child = { parent: this };

    const { transform } = args;

    const target = new aws.appautoscaling.Target(
      ...applyTransform(
        transform?.scalableTarget,
        `${name}-tasks`,
        {
          serviceNamespace: "ecs",
          scalableDimension: "ecs:service:DesiredCount",
          resourceId: pulumi.interpolate`service/${args.clusterName}/${args.serviceName}`,
          minCapacity: args.minTasks,
          maxCapacity: args.maxTasks,
        },
        // A scheduled action replaces both in AWS. An update must not undo it.
        { ...child, ignoreChanges: args.scheduledActions.length > 0 ? ["minCapacity", "maxCapacity"] : [] },
      ),
    );
    const { serviceNamespace, scalableDimension, resourceId } = target;
    const tasks = { serviceNamespace, scalableDimension, resourceId };

    // AWS rejects a change of a scalable target during another one (ConcurrentUpdateException), and the provider does not
    // repeat it: https://github.com/hashicorp/terraform-provider-aws/issues/17915
    let previous: pulumi.Resource = target;
    const afterPrevious = (): pulumi.CustomResourceOptions => ({ ...child, dependsOn: [previous] });

    const track = (suffix: string, targetValue: number, metric: TrackedMetric): void => {
      if (targetValue === 0) return;
      previous = new aws.appautoscaling.Policy(
        ...applyTransform(
          transform?.scalingPolicy,
          `${name}-${suffix}`,
          {
            policyType: "TargetTrackingScaling",
            ...tasks,
            targetTrackingScalingPolicyConfiguration: {
              ...metric,
              targetValue,
              scaleOutCooldown: args.scaleOutCooldownSeconds,
              scaleInCooldown: args.scaleInCooldownSeconds,
            },
          },
          afterPrevious(),
        ),
      );
    };
    track("connections", args.connectionsPerTask, connectionsOf(args.metricsServiceName));
    track("requests", args.requestsPerTarget, {
      predefinedMetricSpecification: {
        predefinedMetricType: "ALBRequestCountPerTarget",
        resourceLabel: pulumi.interpolate`${args.loadBalancerArnSuffix}/${args.targetGroupArnSuffix}`,
      },
    });
    track("cpu", args.cpuPercent, {
      predefinedMetricSpecification: { predefinedMetricType: "ECSServiceAverageCPUUtilization" },
    });
    if (args.scalingMetric !== undefined) {
      track("metric", args.scalingMetric.target, metricOf(args.scalingMetric));
    }

    for (const [index, { cron, min, max, timeZone }] of args.scheduledActions.entries()) {
      previous = new aws.appautoscaling.ScheduledAction(
        `${name}-schedule-${index + 1}`,
        {
          ...tasks,
          schedule: `cron(${cron})`,
          ...(timeZone !== undefined && { timezone: timeZone }),
          scalableTargetAction: { minCapacity: min, maxCapacity: max },
        },
        afterPrevious(),
      );
    }

    this.registerOutputs({});
  }
}

/** Each task logs its connections equally often, so the average of the data points is the average of the tasks. */
function connectionsOf(metricsServiceName: string): TrackedMetric {
  const { name, unit } = metricDefinitions.connections.cloudWatch;
  return {
    customizedMetricSpecification: {
      namespace: METRIC_NAMESPACE,
      metricName: name,
      dimensions: [{ name: SERVICE_DIMENSION, value: metricsServiceName }],
      statistic: "Average",
      unit,
    },
  };
}

function metricOf({
  namespace,
  name,
  dimensions = {},
  statistic = "Average",
  unit,
}: ScalingMetric): TrackedMetric {
  return {
    customizedMetricSpecification: {
      namespace,
      metricName: name,
      dimensions: Object.entries(dimensions).map(([key, value]) => ({ name: key, value })),
      statistic,
      ...(unit !== undefined && { unit }),
    },
  };
}
