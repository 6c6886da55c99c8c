import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { PATHS } from "../../../app/src/settings/contract.ts";
import type { Suppression } from "../suppression.ts";
import { waitFor } from "../waitFor.ts";
import { declareListeners } from "./listeners.ts";
import type { Clients } from "./listeners.ts";
import { declareSecurityGroup } from "./loadBalancerSecurityGroup.ts";

/** Health check of the target group: intervals and timeout in seconds, thresholds in consecutive checks. */
const HEALTH_CHECK = {
  protocol: "HTTP",
  matcher: "200",
  interval: 10,
  timeout: 5,
  healthyThreshold: 2,
  unhealthyThreshold: 3,
} as const;

export interface LoadBalancerArgs {
  /** VPC of the tasks. */
  readonly vpcId: pulumi.Input<string>;
  /** Subnets in at least two availability zones. */
  readonly subnetIds: pulumi.Input<string[]>;
  /** Security group of the tasks. The load balancer adds an ingress rule to it. */
  readonly taskSecurityGroupId: pulumi.Input<string>;
  /** Port of the tasks. */
  readonly taskPort: number;
  /** Path that a healthy task answers with status 200. @default the path of our server */
  readonly healthPath?: string;
  /** Seconds for which a cookie of the load balancer sends a client to the same task; 1 to 604,800. @default no cookie */
  readonly stickinessSeconds?: number;
  /** The clients that can connect. */
  readonly clients: Clients;
  /** Seconds without data after which the load balancer closes a connection; 1 to 4000. */
  readonly idleTimeoutSeconds: number;
  /** Seconds for which a deregistered task gets no new connections before ECS stops it; 0 to 3600. */
  readonly deregistrationDelaySeconds: number;
  /** Name of a bucket and a key prefix for the access logs. */
  readonly accessLogs: { readonly bucket: pulumi.Input<string>; readonly prefix: string };
  /** Whether Pulumi refuses to delete or replace the load balancer. */
  readonly protect: boolean;
}

/** Accepted findings of the policy pack. */
export const suppressions: readonly Suppression[] = [
  {
    rule: "EC23",
    resource: "websocket:infra:LoadBalancer$aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    when: "edge is load-balancer",
    findings: ["0.0.0.0/0 can connect to port 443", "0.0.0.0/0 can connect to port 80"],
    reason:
      "Clients connect to the load balancer from any address. Port 80 only redirects to port 443, and only the load " +
      "balancer can connect to a task.",
  },
];

/**
 * An Application Load Balancer with its listeners, security group and target group. The ECS service registers its tasks in the
 * target group.
 *
 * `name` must differ for different `clients`, so that both load balancers exist until clients use the new one: a target group
 * belongs to one load balancer, and a security group has room for one rule with CloudFront's prefix list.
 */
export class LoadBalancer extends pulumi.ComponentResource {
  /** ARN of the load balancer. */
  readonly arn: pulumi.Output<string>;
  /** Physical name. */
  readonly name: pulumi.Output<string>;
  /** DNS name, such as `NAME-ID.us-east-1.elb.amazonaws.com`. */
  readonly dnsName: pulumi.Output<string>;
  /** ID of the Route 53 hosted zone of {@link dnsName}, for alias records. */
  readonly zoneId: pulumi.Output<string>;
  /** ARN suffix of the load balancer for CloudWatch: `app/NAME/ID`. */
  readonly arnSuffix: pulumi.Output<string>;
  /** ARN of the target group, available after a listener uses it: ECS refuses a target group without a listener. */
  readonly targetGroupArn: pulumi.Output<string>;
  /** ARN suffix of the target group for CloudWatch: `targetgroup/NAME/ID`. */
  readonly targetGroupArnSuffix: pulumi.Output<string>;
  /** The rules and listeners through which a request reaches the target group. */
  readonly #routeResources: readonly pulumi.Resource[];

  constructor(name: string, args: LoadBalancerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:LoadBalancer", name, {}, opts);
    const child = { parent: this };
    const { clients } = args;

    const { securityGroupId, rules } = declareSecurityGroup(name, args, child);

    const loadBalancer = new aws.lb.LoadBalancer(
      name,
      {
        loadBalancerType: "application",
        internal: clients.kind === "cloudfront" && clients.internal,
        subnets: args.subnetIds,
        // The load balancer accepts connections as soon as it exists, so its security group rules must exist before.
        securityGroups: [waitFor(rules, securityGroupId)],
        idleTimeout: args.idleTimeoutSeconds,
        dropInvalidHeaderFields: true,
        accessLogs: { enabled: true, ...args.accessLogs },
      },
      { ...child, protect: args.protect },
    );

    const targetGroup = new aws.lb.TargetGroup(
      name,
      {
        vpcId: args.vpcId,
        targetType: "ip",
        protocol: "HTTP",
        port: args.taskPort,
        // An open WebSocket is an outstanding request, so a new one goes to the task with the fewest connections.
        loadBalancingAlgorithmType: "least_outstanding_requests",
        // ECS sends SIGTERM after this delay, and the server then drains its connections.
        deregistrationDelay: args.deregistrationDelaySeconds,
        healthCheck: { path: args.healthPath ?? PATHS.root, ...HEALTH_CHECK },
        ...(args.stickinessSeconds !== undefined && {
          stickiness: { type: "lb_cookie", enabled: true, cookieDuration: args.stickinessSeconds },
        }),
      },
      child,
    );

    const forwarding = declareListeners(
      { name, loadBalancerArn: loadBalancer.arn, targetGroupArn: targetGroup.arn, clients },
      child,
    );
    this.#routeResources = [...rules, forwarding];

    this.arn = loadBalancer.arn;
    this.name = loadBalancer.name;
    this.dnsName = loadBalancer.dnsName;
    this.zoneId = loadBalancer.zoneId;
    this.arnSuffix = loadBalancer.arnSuffix;
    this.targetGroupArn = this.afterRoutable(targetGroup.arn);
    this.targetGroupArnSuffix = targetGroup.arnSuffix;
    this.registerOutputs({
      dnsName: this.dnsName,
      arnSuffix: this.arnSuffix,
      targetGroupArn: this.targetGroupArn,
      targetGroupArnSuffix: this.targetGroupArnSuffix,
    });
  }

  /** Returns the value after the load balancer forwards requests to the target group. */
  afterRoutable(value: pulumi.Input<string>): pulumi.Output<string> {
    return waitFor(this.#routeResources, value);
  }
}
