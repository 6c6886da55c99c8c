import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import { applyTransform } from "../transform.ts";
import type { Transform } from "../transform.ts";
import { HTTP_PORT, HTTPS_PORT } from "./listeners.ts";
import type { Clients } from "./listeners.ts";

/**
 * CloudFront's addresses for connections to origins, including VPC origins. The list counts as 55 of the 60 rules of a security
 * group, so only one rule can use it.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/LocationsOfEdgeServers.html
 */
const CLOUDFRONT_PREFIX_LIST = "com.amazonaws.global.cloudfront.origin-facing";

const ANY_IPV4 = "0.0.0.0/0";

interface SecurityGroupArgs {
  /** VPC of the tasks. */
  readonly vpcId: pulumi.Input<string>;
  /** Security group of the tasks, which gets an ingress rule. */
  readonly taskSecurityGroupId: pulumi.Input<string>;
  /** Port of the tasks. */
  readonly taskPort: number;
  /** The clients that can connect. */
  readonly clients: Clients;
  readonly transform?: SecurityGroupTransform | undefined;
}

/** Changes of the security group before it is declared. */
export interface SecurityGroupTransform {
  /** Changes the security group of the load balancer. */
  readonly loadBalancerSecurityGroup?: Transform<aws.ec2.SecurityGroupArgs>;
}

type IngressSource = Pick<aws.vpc.SecurityGroupIngressRuleArgs, "prefixListId" | "cidrIpv4">;

/** Declares the security group of the load balancer, its rules, and the ingress rule of the tasks. */
export function declareSecurityGroup(
  name: string,
  { vpcId, taskSecurityGroupId, taskPort, clients, transform }: SecurityGroupArgs,
  child: pulumi.CustomResourceOptions,
): { readonly securityGroupId: pulumi.Output<string>; readonly rules: readonly pulumi.Resource[] } {
  const { id: securityGroupId } = new aws.ec2.SecurityGroup(
    ...applyTransform<aws.ec2.SecurityGroupArgs>(
      transform?.loadBalancerSecurityGroup,
      name,
      {
        vpcId,
        description:
          clients.kind === "cloudfront"
            ? "Load balancer: requests from CloudFront only"
            : "Load balancer: HTTPS from everyone, and a redirect of HTTP",
      },
      child,
    ),
  );
  const declareIngress = (suffix: string, description: string, port: number, source: IngressSource) =>
    new aws.vpc.SecurityGroupIngressRule(
      `${name}-from-${suffix}`,
      { securityGroupId, description, ipProtocol: "tcp", fromPort: port, toPort: port, ...source },
      child,
    );
  const fromCloudFront = (scheme: "HTTP" | "HTTPS", port: number) =>
    declareIngress("cloudfront", `${scheme} from CloudFront`, port, {
      prefixListId: aws.ec2.getManagedPrefixListOutput({ name: CLOUDFRONT_PREFIX_LIST }, child).id,
    });
  const fromEveryone = (suffix: string, description: string, port: number) =>
    declareIngress(`everyone-${suffix}`, description, port, { cidrIpv4: ANY_IPV4 });
  const fromClients =
    clients.kind === "everyone"
      ? [
          fromEveryone("https", "HTTPS from everyone", HTTPS_PORT),
          fromEveryone("http", "HTTP from everyone, redirected to HTTPS", HTTP_PORT),
        ]
      : clients.certificateArn === undefined
        ? [fromCloudFront("HTTP", HTTP_PORT)]
        : [fromCloudFront("HTTPS", HTTPS_PORT)];

  const betweenTasks = declareTaskRules(name, { securityGroupId, taskSecurityGroupId, taskPort }, child);
  return { securityGroupId, rules: [...fromClients, ...betweenTasks] };
}

/** Declares the rules for requests and health checks from the load balancer to the tasks, in both security groups. */
export function declareTaskRules(
  name: string,
  {
    securityGroupId,
    taskSecurityGroupId,
    taskPort,
  }: {
    /** Security group of the load balancer, which gets an egress rule. */
    readonly securityGroupId: pulumi.Input<string>;
  } & Pick<SecurityGroupArgs, "taskSecurityGroupId" | "taskPort">,
  child: pulumi.CustomResourceOptions,
): readonly pulumi.Resource[] {
  const taskPortRange = { ipProtocol: "tcp", fromPort: taskPort, toPort: taskPort };
  const toTasks = new aws.vpc.SecurityGroupEgressRule(
    `${name}-to-tasks`,
    {
      securityGroupId,
      description: "Requests and health checks to the tasks",
      ...taskPortRange,
      referencedSecurityGroupId: taskSecurityGroupId,
    },
    child,
  );
  const fromLoadBalancer = new aws.vpc.SecurityGroupIngressRule(
    `${name}-tasks-ingress`,
    {
      securityGroupId: taskSecurityGroupId,
      description: "Requests and health checks from the load balancer",
      ...taskPortRange,
      referencedSecurityGroupId: securityGroupId,
    },
    child,
  );
  return [toTasks, fromLoadBalancer];
}
