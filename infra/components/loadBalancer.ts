import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { PATHS } from "../../app/src/settings/settings.ts";
import { after } from "./after.ts";
import type { Generations } from "./generations.ts";
import type { Suppression } from "./suppression.ts";

/**
 * CloudFront's addresses towards origins, for a load balancer inside the VPC as well: requests of a VPC origin come from
 * them. It weighs 55 of the 60 rules that a security group may have, so there is room for one port.
 */
const CLOUDFRONT_PREFIX_LIST = "com.amazonaws.global.cloudfront.origin-facing";

const EVERYONE = "0.0.0.0/0";

export const HTTP_PORT = 80;
export const HTTPS_PORT = 443;

/** TLS 1.3 and 1.2, with key exchange that a quantum computer does not break. Left out, AWS takes one with TLS 1.0. */
const TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09";

/** Seconds between the load balancer's health checks of a task. */
const HEALTH_CHECK_INTERVAL_SECONDS = 10;
const HEALTH_CHECK_TIMEOUT_SECONDS = 5;
const HEALTHY_THRESHOLD = 2;
const UNHEALTHY_THRESHOLD = 3;

export interface LoadBalancerArgs {
  readonly vpcId: pulumi.Input<string>;
  /** In at least two availability zones. */
  readonly subnetIds: pulumi.Input<string[]>;
  /** Security group of the tasks, which this lets the load balancer reach. */
  readonly taskSecurityGroupId: pulumi.Input<string>;
  /** Port of the tasks. */
  readonly taskPort: number;
  readonly audience: Audience;
  /** Silence in seconds after which a connection is cut; 1 to 4000. */
  readonly idleTimeoutSeconds: number;
  /** Seconds that a leaving task stays without new connections before it is stopped; 0 to 3600. */
  readonly deregistrationDelaySeconds: number;
  readonly accessLogs: { readonly bucket: pulumi.Input<string>; readonly prefix: string };
  /** Whether its deletion and its replacement are refused. */
  readonly protect: boolean;
}

/** Whom it answers. */
export type Audience =
  | {
      readonly kind: "cloudfront";
      /** Inside the VPC only, for a VPC origin. */
      readonly internal: boolean;
      readonly requiredHeader: RequiredHeader;
      /** Certificate of its listener, which is HTTP without one. */
      readonly certificateArn?: pulumi.Input<string>;
    }
  | { readonly kind: "everyone"; readonly certificateArn: pulumi.Input<string> };

/** What a request must carry to reach a task. */
export interface RequiredHeader {
  readonly name: string;
  /** Tells two sets of values apart. */
  readonly generation: number;
  /** A request carries one of them. Secret. */
  readonly values: Generations<pulumi.Input<string>>;
}

/** What the policy pack finds here, and why it stands. */
export const suppressions: readonly Suppression[] = [
  {
    rule: "EC23",
    resource: "websocket:infra:LoadBalancer$aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    when: "edge is load-balancer",
    findings: ["0.0.0.0/0 may reach port 443", "0.0.0.0/0 may reach port 80"],
    reason:
      "Clients connect to the load balancer itself, from wherever they are. Port 80 does nothing but send them to 443, " +
      "and only the load balancer reaches a task.",
  },
];

/**
 * An Application Load Balancer in front of the target group in which the service registers its tasks, with the security
 * groups' rules that let it be reached and reach them.
 *
 * For CloudFront it answers 403 to everything but requests with the secret header. For everyone it speaks HTTPS, and
 * sends those who come by HTTP there.
 *
 * `name` must be another one for another audience: then both are there until the clients' way leads to the new one. A
 * target group belongs to one load balancer, and a security group has room for one port of CloudFront's addresses.
 */
export class LoadBalancer extends pulumi.ComponentResource {
  readonly arn: pulumi.Output<string>;
  /** Physical name. */
  readonly name: pulumi.Output<string>;
  readonly dnsName: pulumi.Output<string>;
  /** Route 53 zone of {@link dnsName}. */
  readonly zoneId: pulumi.Output<string>;
  /** The load balancer's part of a CloudWatch dimension: `app/NAME/ID`. */
  readonly arnSuffix: pulumi.Output<string>;
  /** There only when requests come through to it: ECS refuses a target group that no listener uses. */
  readonly targetGroupArn: pulumi.Output<string>;
  /** The target group's part of a CloudWatch dimension: `targetgroup/NAME/ID`. */
  readonly targetGroupArnSuffix: pulumi.Output<string>;
  /** Stand before a request comes through. */
  readonly #doors: readonly pulumi.Resource[];

  constructor(name: string, args: LoadBalancerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:LoadBalancer", name, {}, opts);
    const child = { parent: this };
    const { audience } = args;

    const { securityGroupId, rules } = admit(name, args, child);

    const loadBalancer = new aws.lb.LoadBalancer(
      name,
      {
        loadBalancerType: "application",
        internal: audience.kind === "cloudfront" && audience.internal,
        subnets: args.subnetIds,
        // Its addresses take requests as soon as it is there, and what it lets in and out has to be settled by then.
        securityGroups: [after(rules, securityGroupId)],
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
        // A WebSocket counts as outstanding while it is open, so new ones go to the task that holds the fewest.
        loadBalancingAlgorithmType: "least_outstanding_requests",
        // ECS sends SIGTERM only after this delay; the server's own drain comes then.
        deregistrationDelay: args.deregistrationDelaySeconds,
        healthCheck: {
          path: PATHS.root,
          protocol: "HTTP",
          matcher: "200",
          interval: HEALTH_CHECK_INTERVAL_SECONDS,
          timeout: HEALTH_CHECK_TIMEOUT_SECONDS,
          healthyThreshold: HEALTHY_THRESHOLD,
          unhealthyThreshold: UNHEALTHY_THRESHOLD,
        },
      },
      child,
    );

    const listening: Listening = { name, loadBalancerArn: loadBalancer.arn, targetGroupArn: targetGroup.arn };
    this.#doors = [
      ...rules,
      ...(audience.kind === "cloudfront"
        ? listenToCloudFront(listening, audience, child)
        : listenToEveryone(listening, audience, child)),
    ];

    this.arn = loadBalancer.arn;
    this.name = loadBalancer.name;
    this.dnsName = loadBalancer.dnsName;
    this.zoneId = loadBalancer.zoneId;
    this.arnSuffix = loadBalancer.arnSuffix;
    this.targetGroupArn = this.whenOpen(targetGroup.arn);
    this.targetGroupArnSuffix = targetGroup.arnSuffix;
    this.registerOutputs({
      dnsName: this.dnsName,
      arnSuffix: this.arnSuffix,
      targetGroupArn: this.targetGroupArn,
      targetGroupArnSuffix: this.targetGroupArnSuffix,
    });
  }

  /** The value, when what comes for the tasks is let through to the target group. */
  whenOpen(value: pulumi.Input<string>): pulumi.Output<string> {
    return after(this.#doors, value);
  }
}

/** The load balancer's security group, and the rules: its audience may reach it, and it the tasks. */
function admit(
  name: string,
  { vpcId, taskSecurityGroupId, taskPort, audience }: LoadBalancerArgs,
  child: pulumi.CustomResourceOptions,
): { readonly securityGroupId: pulumi.Output<string>; readonly rules: readonly pulumi.Resource[] } {
  const { id: securityGroupId } = new aws.ec2.SecurityGroup(
    name,
    {
      vpcId,
      description:
        audience.kind === "cloudfront"
          ? "Load balancer: requests from CloudFront only"
          : "Load balancer: HTTPS from everyone, and HTTP to be sent there",
    },
    child,
  );
  const ingress = (suffix: string, description: string, port: number, source: IngressSource) =>
    new aws.vpc.SecurityGroupIngressRule(
      `${name}-from-${suffix}`,
      { securityGroupId, description, ipProtocol: "tcp", fromPort: port, toPort: port, ...source },
      child,
    );
  const toAudience =
    audience.kind === "cloudfront"
      ? [
          ingress(
            "cloudfront",
            `${audience.certificateArn === undefined ? "HTTP" : "HTTPS"} from CloudFront`,
            audience.certificateArn === undefined ? HTTP_PORT : HTTPS_PORT,
            { prefixListId: aws.ec2.getManagedPrefixListOutput({ name: CLOUDFRONT_PREFIX_LIST }, child).id },
          ),
        ]
      : [
          ingress("everyone-https", "HTTPS from everyone", HTTPS_PORT, { cidrIpv4: EVERYONE }),
          ingress("everyone-http", "HTTP from everyone, to be sent to HTTPS", HTTP_PORT, {
            cidrIpv4: EVERYONE,
          }),
        ];

  const betweenThem = { ipProtocol: "tcp", fromPort: taskPort, toPort: taskPort };
  const toTasks = new aws.vpc.SecurityGroupEgressRule(
    `${name}-to-tasks`,
    {
      securityGroupId,
      description: "Requests and health checks to the tasks",
      ...betweenThem,
      referencedSecurityGroupId: taskSecurityGroupId,
    },
    child,
  );
  const fromLoadBalancer = new aws.vpc.SecurityGroupIngressRule(
    `tasks-from-${name}`,
    {
      securityGroupId: taskSecurityGroupId,
      description: "Requests and health checks from the load balancer",
      ...betweenThem,
      referencedSecurityGroupId: securityGroupId,
    },
    child,
  );
  return { securityGroupId, rules: [...toAudience, toTasks, fromLoadBalancer] };
}

type IngressSource = Pick<aws.vpc.SecurityGroupIngressRuleArgs, "prefixListId" | "cidrIpv4">;

interface Listening {
  readonly name: string;
  readonly loadBalancerArn: pulumi.Output<string>;
  readonly targetGroupArn: pulumi.Output<string>;
}

/** @returns what has to stand before requests come through. */
function listenToCloudFront(
  { name, loadBalancerArn, targetGroupArn }: Listening,
  { certificateArn, requiredHeader }: Extract<Audience, { kind: "cloudfront" }>,
  child: pulumi.CustomResourceOptions,
): readonly pulumi.Resource[] {
  const listener = new aws.lb.Listener(
    `${name}-${certificateArn === undefined ? "http" : "https"}`,
    {
      loadBalancerArn,
      ...(certificateArn === undefined ? HTTP : https(certificateArn)),
      defaultActions: [
        {
          type: "fixed-response",
          fixedResponse: { statusCode: "403", contentType: "text/plain", messageBody: "Forbidden" },
        },
      ],
    },
    child,
  );

  // CloudFront takes minutes to send another header or value everywhere. So a rule for another one is another rule,
  // beside the one that stands: that goes at the end of the update, when CloudFront says that it is through. Two rules
  // of a listener need two priorities: without one, the provider gives each the highest of the listener's, and one more.
  const { name: headerName, generation, values } = requiredHeader;
  const rule = new aws.lb.ListenerRule(
    `${name}-${headerName}-${generation}`,
    {
      listenerArn: listener.arn,
      conditions: [{ httpHeader: { httpHeaderName: headerName, values: [...values] } }],
      actions: [{ type: "forward", targetGroupArn }],
    },
    child,
  );
  return [rule];
}

/** As {@link listenToCloudFront}. */
function listenToEveryone(
  { name, loadBalancerArn, targetGroupArn }: Listening,
  { certificateArn }: Extract<Audience, { kind: "everyone" }>,
  child: pulumi.CustomResourceOptions,
): readonly pulumi.Resource[] {
  const listener = new aws.lb.Listener(
    `${name}-https`,
    { loadBalancerArn, ...https(certificateArn), defaultActions: [{ type: "forward", targetGroupArn }] },
    child,
  );
  new aws.lb.Listener(
    `${name}-http`,
    {
      loadBalancerArn,
      ...HTTP,
      defaultActions: [{ type: "redirect", redirect: { ...SAME_BY_HTTPS, statusCode: "HTTP_301" } }],
    },
    child,
  );
  return [listener];
}

const HTTP = { port: HTTP_PORT, protocol: "HTTP" } as const;

function https(
  certificateArn: pulumi.Input<string>,
): Pick<aws.lb.ListenerArgs, "port" | "protocol" | "sslPolicy" | "certificateArn"> {
  return { port: HTTPS_PORT, protocol: "HTTPS", sslPolicy: TLS_POLICY, certificateArn };
}

/** What was asked for; the load balancer fills in the names in braces. */
const SAME_BY_HTTPS = {
  protocol: "HTTPS",
  port: String(HTTPS_PORT),
  host: "#{host}",
  path: "/#{path}",
  query: "#{query}",
} as const;
