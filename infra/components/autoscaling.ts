import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";

export interface AutoscalingArgs {
  readonly clusterName: pulumi.Input<string>;
  readonly serviceName: pulumi.Input<string>;
  readonly minTasks: number;
  readonly maxTasks: number;
  /**
   * Requests per task and minute that the autoscaler holds. Opening a WebSocket is one request, what is said on it
   * is none: this follows the rate of new connections.
   */
  readonly requestsPerTarget: number;
  readonly scaleOutCooldownSeconds: number;
  readonly scaleInCooldownSeconds: number;
  /** The load balancer's and the target group's parts of a CloudWatch dimension. */
  readonly loadBalancerArnSuffix: pulumi.Input<string>;
  readonly targetGroupArnSuffix: pulumi.Input<string>;
}

/** Target tracking of the service's task count on the requests that the load balancer sends to each task. */
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
