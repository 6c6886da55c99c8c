import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { protectIf } from "../protection.ts";
import type { Suppression } from "../suppression.ts";
import { applyTransform } from "../transform.ts";
import type { Transform } from "../transform.ts";
import { waitFor } from "../waitFor.ts";
import { declareListeners } from "./listeners.ts";
import type { Clients, ListenersTransform } from "./listeners.ts";
import { declareSecurityGroup } from "./loadBalancerSecurityGroup.ts";
import type { SecurityGroupTransform } from "./loadBalancerSecurityGroup.ts";
import { declareTargetGroup } from "./targetGroup.ts";
import type { TargetGroupArgs, TargetGroupTransform } from "./targetGroup.ts";

export interface LoadBalancerArgs extends TargetGroupArgs {
  /** Subnets in at least two availability zones. */
  readonly subnetIds: pulumi.Input<string[]>;
  /** Security group of the tasks. The load balancer adds an ingress rule to it. */
  readonly taskSecurityGroupId: pulumi.Input<string>;
  /** The clients that can connect. */
  readonly clients: Clients;
  /** Seconds without data after which the load balancer closes a connection; 1 to 4000. */
  readonly idleTimeoutSeconds: number;
  /** Name of a bucket and a key prefix for the access logs. */
  readonly accessLogs: { readonly bucket: pulumi.Input<string>; readonly prefix: string };
  /** Whether Pulumi refuses to delete or replace the load balancer. */
  readonly protect: boolean;
  readonly transform?: LoadBalancerTransform | undefined;
}

/** Changes of the resources before they are declared. */
export interface LoadBalancerTransform
  extends TargetGroupTransform, ListenersTransform, SecurityGroupTransform {
  /** Changes the load balancer. */
  readonly loadBalancer?: Transform<aws.lb.LoadBalancerArgs>;
}

/** What the rest of the stack needs of a load balancer, whether the stack declares it or not. */
export interface LoadBalancerAccess {
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
  /** IDs of the subnets of the load balancer. */
  readonly subnetIds: pulumi.Output<string[]>;
  /** Port for clients. @default 80 for HTTP, 443 for HTTPS */
  readonly port?: pulumi.Output<number>;
  /** ARN of the target group, available after a listener uses it: ECS refuses a target group without a listener. */
  readonly targetGroupArn: pulumi.Output<string>;
  /** ARN suffix of the target group for CloudWatch: `targetgroup/NAME/ID`. */
  readonly targetGroupArnSuffix: pulumi.Output<string>;
  /** Returns the value after the load balancer forwards requests to the target group. */
  afterRoutable(value: pulumi.Input<string>): pulumi.Output<string>;
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
export class LoadBalancer extends pulumi.ComponentResource implements LoadBalancerAccess {
  readonly arn: pulumi.Output<string>;
  readonly name: pulumi.Output<string>;
  readonly dnsName: pulumi.Output<string>;
  readonly zoneId: pulumi.Output<string>;
  readonly arnSuffix: pulumi.Output<string>;
  readonly subnetIds: pulumi.Output<string[]>;
  readonly targetGroupArn: pulumi.Output<string>;
  readonly targetGroupArnSuffix: pulumi.Output<string>;
  /** The rules and listeners through which a request reaches the target group. */
  readonly #routeResources: readonly pulumi.Resource[];

  constructor(name: string, args: LoadBalancerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:LoadBalancer", name, {}, opts);
    const child = { parent: this };
    const { clients, transform } = args;

    const { securityGroupId, rules } = declareSecurityGroup(name, args, child);

    const loadBalancer = new aws.lb.LoadBalancer(
      ...applyTransform<aws.lb.LoadBalancerArgs>(
        transform?.loadBalancer,
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
        { ...child, ...protectIf(args.protect) },
      ),
    );
    const targetGroup = declareTargetGroup(name, args, child);
    const forwarding = declareListeners(
      {
        name,
        loadBalancerArn: loadBalancer.arn,
        targetGroupArn: targetGroup.arn,
        clients,
        transform,
      },
      child,
    );
    this.#routeResources = [...rules, forwarding];

    this.arn = loadBalancer.arn;
    this.name = loadBalancer.name;
    this.dnsName = loadBalancer.dnsName;
    this.zoneId = loadBalancer.zoneId;
    this.arnSuffix = loadBalancer.arnSuffix;
    this.subnetIds = pulumi.output(args.subnetIds);
    this.targetGroupArn = this.afterRoutable(targetGroup.arn);
    this.targetGroupArnSuffix = targetGroup.arnSuffix;
    this.registerOutputs({
      dnsName: this.dnsName,
      arnSuffix: this.arnSuffix,
      targetGroupArn: this.targetGroupArn,
      targetGroupArnSuffix: this.targetGroupArnSuffix,
    });
  }

  afterRoutable(value: pulumi.Input<string>): pulumi.Output<string> {
    return waitFor(this.#routeResources, value);
  }
}
