import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";

export interface AutoscalingArgs {
  /** Name of the ECS cluster. */
  readonly clusterName: pulumi.Input<string>;
  /** Name of the ECS service. */
  readonly serviceName: pulumi.Input<string>;
  /** Minimum number of tasks. */
  readonly minTasks: number;
  /** Maximum number of tasks. */
  readonly maxTasks: number;
  /**
   * Target value: requests per task and minute. A WebSocket handshake is one request and its messages are none, so this
   * value follows the rate of new connections.
   */
  readonly requestsPerTarget: number;
  /** Seconds after a scale-out before the next one. */
  readonly scaleOutCooldownSeconds: number;
  /** Seconds after a scale-in before the next one. */
  readonly scaleInCooldownSeconds: number;
  /** ARN suffix of the load balancer for CloudWatch: `app/NAME/ID`. */
  readonly loadBalancerArnSuffix: pulumi.Input<string>;
  /** ARN suffix of the target group for CloudWatch: `targetgroup/NAME/ID`. */
  readonly targetGroupArnSuffix: pulumi.Input<string>;
}

/**
 * Target tracking of the service's task count by `ALBRequestCountPerTarget`.
 * @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-autoscaling-targettracking.html
 */
export class Autoscaling extends pulumi.ComponentResource {
  constructor(name: string, args: AutoscalingArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:Autoscaling", name, {}, opts);
    const child = { parent: this };

    const target = new aws.appautoscaling.Target(
      `${name}-tasks`,
      {
        serviceNamespace: "ecs",
        scalableDimension: "ecs:service:DesiredCount",
        resourceId: pulumi.interpolate`service/${args.clusterName}/${args.serviceName}`,
        minCapacity: args.minTasks,
        maxCapacity: args.maxTasks,
      },
      child,
    );

    new aws.appautoscaling.Policy(
      `${name}-requests`,
      {
        policyType: "TargetTrackingScaling",
        serviceNamespace: target.serviceNamespace,
        scalableDimension: target.scalableDimension,
        resourceId: target.resourceId,
        targetTrackingScalingPolicyConfiguration: {
          predefinedMetricSpecification: {
            predefinedMetricType: "ALBRequestCountPerTarget",
            resourceLabel: pulumi.interpolate`${args.loadBalancerArnSuffix}/${args.targetGroupArnSuffix}`,
          },
          targetValue: args.requestsPerTarget,
          scaleOutCooldown: args.scaleOutCooldownSeconds,
          scaleInCooldown: args.scaleInCooldownSeconds,
        },
      },
      child,
    );

    this.registerOutputs({});
  }
}
