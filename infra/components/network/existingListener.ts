import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { headerPriority, hostPriority } from "../../config/data/listenerRulePriorities.ts";
import { requireResult } from "../requireResult.ts";
import { waitFor } from "../waitFor.ts";
import { checkListener } from "./listenerChecks.ts";
import { declareHeaderRule, declareHostRule } from "./listenerRules.ts";
import type { RequiredHeader, RuleArgs, RuleTransform } from "./listenerRules.ts";
import type { LoadBalancerAccess } from "./loadBalancer.ts";
import { declareTaskRules } from "./loadBalancerSecurityGroup.ts";
import { declareTargetGroup } from "./targetGroup.ts";
import type { TargetGroupArgs, TargetGroupTransform } from "./targetGroup.ts";

export interface ExistingListenerArgs extends TargetGroupArgs {
  /** ARN of a listener of an Application Load Balancer in the VPC of the tasks. */
  readonly listenerArn: pulumi.Input<string>;
  /** First of the priorities that belong to the stack; 1 to 49,991. */
  readonly firstPriority: number;
  /** Security group of the tasks, which gets an ingress rule. */
  readonly taskSecurityGroupId: pulumi.Input<string>;
  /** The clients that the rules are for. */
  readonly clients: ListenerClients;
  /** Interval of the server's pings in seconds. @default unknown: the idle timeout of the load balancer is not checked */
  readonly heartbeatSeconds?: number | undefined;
  readonly transform?: ExistingListenerTransform | undefined;
}

/** Changes of the resources before they are declared. */
export interface ExistingListenerTransform extends TargetGroupTransform, RuleTransform {}

/** The clients of the rules on an existing listener. */
export type ListenerClients =
  | {
      /** Requests with the required header reach a task. */
      readonly kind: "cloudfront";
      /** Whether CloudFront connects through a VPC origin. */
      readonly internal: boolean;
      /** Protocol between CloudFront and the listener. */
      readonly protocol: "HTTP" | "HTTPS";
      readonly requiredHeader: RequiredHeader;
    }
  | {
      /** Requests to the domain reach a task. */
      readonly kind: "everyone";
      readonly domain: string;
      /** Certificate of the domain, which is added to the listener. @default the listener has one */
      readonly certificateArn?: pulumi.Input<string>;
    };

/**
 * The target group of the tasks behind an existing listener: rules of the stack beside the other rules of the listener. The
 * listener, its load balancer and the security group of the load balancer are not part of the stack. The stack adds rules to them.
 *
 * `name` must differ from that of a {@link LoadBalancer}, because a target group belongs to one load balancer.
 */
export class ExistingListener extends pulumi.ComponentResource implements LoadBalancerAccess {
  readonly arn: pulumi.Output<string>;
  readonly name: pulumi.Output<string>;
  readonly dnsName: pulumi.Output<string>;
  readonly zoneId: pulumi.Output<string>;
  readonly arnSuffix: pulumi.Output<string>;
  readonly subnetIds: pulumi.Output<string[]>;
  /** Port of the listener. */
  readonly port: pulumi.Output<number>;
  readonly targetGroupArn: pulumi.Output<string>;
  readonly targetGroupArnSuffix: pulumi.Output<string>;
  /** The rules through which a request reaches the target group. */
  readonly #routeResources: readonly pulumi.Resource[];

  constructor(name: string, args: ExistingListenerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:ExistingListener", name, {}, opts);
    const child = { parent: this };
    const { transform } = args;

    const { listener, loadBalancer } = lookUpListener(args, child);
    const targetGroup = declareTargetGroup(name, args, {
      ...child,
      // A target group belongs to one load balancer, so the listener of another one needs a new target group.
      replacementTrigger: listener.apply(({ loadBalancerArn }) =>
        requireResult<string>(loadBalancerArn, "The listener has no load balancer."),
      ),
    });
    const rules = declareTaskRules(
      name,
      {
        securityGroupId: loadBalancer.apply(({ securityGroups }) => firstOf(securityGroups)),
        taskSecurityGroupId: args.taskSecurityGroupId,
        taskPort: args.taskPort,
      },
      child,
    );
    const routes = declareRules(
      {
        name,
        listenerArn: listener.arn,
        targetGroupArn: targetGroup.arn,
        transform,
      },
      args,
      child,
    );
    this.#routeResources = [...rules, ...routes];

    this.arn = loadBalancer.arn;
    this.name = loadBalancer.name;
    this.dnsName = loadBalancer.dnsName;
    this.zoneId = loadBalancer.zoneId;
    this.arnSuffix = loadBalancer.arnSuffix;
    this.subnetIds = loadBalancer.subnets;
    this.port = listener.port;
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

/** @throws {pulumi.RunError} if the listener or its load balancer does not fit the stack. */
function lookUpListener(
  { listenerArn, vpcId, clients, heartbeatSeconds }: ExistingListenerArgs,
  child: pulumi.InvokeOptions,
): {
  readonly listener: pulumi.Output<aws.lb.GetListenerResult>;
  readonly loadBalancer: pulumi.Output<aws.lb.GetLoadBalancerResult>;
} {
  const listener = aws.lb.getListenerOutput({ arn: listenerArn }, child);
  const loadBalancer = aws.lb.getLoadBalancerOutput({ arn: listener.loadBalancerArn }, child);
  const checked = pulumi
    .all([listener, loadBalancer, vpcId])
    .apply(([foundListener, foundLoadBalancer, taskVpcId]) => {
      const problems = checkListener(
        {
          protocol: foundListener.protocol,
          port: foundListener.port,
          internal: foundLoadBalancer.internal,
          idleTimeoutSeconds: foundLoadBalancer.idleTimeout,
          loadBalancerVpcId: foundLoadBalancer.vpcId,
        },
        { clients, heartbeatSeconds, vpcId: taskVpcId },
      );
      if (problems.length > 0) throw new pulumi.RunError(problems.join("\n"));
      return { listener: foundListener, loadBalancer: foundLoadBalancer };
    });
  return { listener: checked.listener, loadBalancer: checked.loadBalancer };
}

/** Declares the rules of the stack on the listener, and adds the certificate. */
function declareRules(
  rule: RuleArgs,
  { clients, firstPriority }: ExistingListenerArgs,
  child: pulumi.CustomResourceOptions,
): readonly pulumi.Resource[] {
  if (clients.kind === "cloudfront") {
    const { requiredHeader } = clients;
    const priority = headerPriority(firstPriority, requiredHeader);
    return [declareHeaderRule({ ...rule, priority }, requiredHeader, child)];
  }
  const { domain, certificateArn } = clients;
  return [
    declareHostRule({ ...rule, priority: hostPriority(firstPriority) }, domain, child),
    ...(certificateArn === undefined
      ? []
      : [
          new aws.lb.ListenerCertificate(
            `${rule.name}-certificate`,
            { listenerArn: rule.listenerArn, certificateArn },
            child,
          ),
        ]),
  ];
}

/** Returns one of the security groups, always the same: a load balancer is in all of them. */
function firstOf(securityGroupIds: readonly string[] | undefined): string {
  const [first] = securityGroupIds?.toSorted() ?? [];
  return requireResult(first, "The load balancer of the listener has no security group.");
}
