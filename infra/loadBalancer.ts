import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { PATHS } from "../app/src/settings.ts";
import type { Generations } from "./generations.ts";

const HTTP_PORT = 80;

/** Seconds between the load balancer's health checks of a task. */
const HEALTH_CHECK_INTERVAL_SECONDS = 10;
const HEALTH_CHECK_TIMEOUT_SECONDS = 5;
const HEALTHY_THRESHOLD = 2;
const UNHEALTHY_THRESHOLD = 3;

export interface LoadBalancerArgs {
  readonly vpcId: pulumi.Input<string>;
  /** Public subnets, in at least two availability zones. */
  readonly subnetIds: pulumi.Input<string[]>;
  readonly securityGroupId: pulumi.Input<string>;
  /** Port of the tasks. */
  readonly taskPort: number;
  readonly requiredHeader: RequiredHeader;
  /** Silence in seconds after which a connection is cut; 1 to 4000. */
  readonly idleTimeoutSeconds: number;
  /** Seconds that a leaving task stays without new connections before it is stopped; 0 to 3600. */
  readonly deregistrationDelaySeconds: number;
  readonly accessLogs: { readonly bucket: pulumi.Input<string>; readonly prefix: string };
  /** Whether its deletion and its replacement are refused. */
  readonly protect: boolean;
}

/** What a request must carry to reach a task. */
export interface RequiredHeader {
  readonly name: string;
  /** Tells two sets of values apart. */
  readonly generation: number;
  /** A request carries one of them. Secret. */
  readonly values: Generations<pulumi.Input<string>>;
}

/**
 * An internet-facing Application Load Balancer that answers 403 to everything but requests with the secret header,
 * and forwards those to the target group, in which the service registers its tasks.
 */
export class LoadBalancer extends pulumi.ComponentResource {
  readonly dnsName: pulumi.Output<string>;
  /** The required header's newest value, there only when the rule accepts it. Secret. */
  readonly acceptedHeaderValue: pulumi.Output<string>;
  /** The load balancer's part of a CloudWatch dimension: `app/NAME/ID`. */
  readonly arnSuffix: pulumi.Output<string>;
  /** There only when the rule forwards to it: ECS refuses a target group that no listener uses. */
  readonly targetGroupArn: pulumi.Output<string>;
  /** The target group's part of a CloudWatch dimension: `targetgroup/NAME/ID`. */
  readonly targetGroupArnSuffix: pulumi.Output<string>;

  constructor(name: string, args: LoadBalancerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:LoadBalancer", name, {}, opts);
    const child = { parent: this };

    const loadBalancer = new aws.lb.LoadBalancer(
      name,
      {
        loadBalancerType: "application",
        internal: false,
        subnets: args.subnetIds,
        securityGroups: [args.securityGroupId],
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

    const listener = new aws.lb.Listener(
      `${name}-http`,
      {
        loadBalancerArn: loadBalancer.arn,
        port: HTTP_PORT,
        protocol: "HTTP",
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
    // of a listener need two priorities: without one, AWS gives each the next that is free.
    const { name: headerName, generation, values } = args.requiredHeader;
    const rule = new aws.lb.ListenerRule(
      `${name}-${headerName}-${generation}`,
      {
        listenerArn: listener.arn,
        conditions: [{ httpHeader: { httpHeaderName: headerName, values: [...values] } }],
        actions: [{ type: "forward", targetGroupArn: targetGroup.arn }],
      },
      child,
    );

    this.dnsName = loadBalancer.dnsName;
    const [newest] = values;
    this.acceptedHeaderValue = after(rule, newest);
    this.arnSuffix = loadBalancer.arnSuffix;
    this.targetGroupArn = after(rule, targetGroup.arn);
    this.targetGroupArnSuffix = targetGroup.arnSuffix;
    this.registerOutputs({
      dnsName: this.dnsName,
      arnSuffix: this.arnSuffix,
      targetGroupArn: this.targetGroupArn,
      targetGroupArnSuffix: this.targetGroupArnSuffix,
    });
  }
}

/**
 * The value, when the resource is created or updated. By its URN, which a preview knows of a resource that is not there
 * yet: by its ARN, a new rule would make everything that waits for it look changed.
 */
function after(resource: pulumi.Resource, value: pulumi.Input<string>): pulumi.Output<string> {
  return pulumi.all([value, resource.urn]).apply(([known]) => known);
}
