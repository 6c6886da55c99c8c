/** The target group of the tasks. */
import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import { applyTransform } from "../transform.ts";
import type { Transform } from "../transform.ts";

/** Health check of the target group: intervals and timeout in seconds, thresholds in consecutive checks. */
const HEALTH_CHECK = {
  protocol: "HTTP",
  matcher: "200",
  interval: 10,
  timeout: 5,
  healthyThreshold: 2,
  unhealthyThreshold: 3,
} as const;

export interface TargetGroupArgs {
  /** VPC of the tasks and of the load balancer. */
  readonly vpcId: pulumi.Input<string>;
  /** Port of the tasks. */
  readonly taskPort: number;
  /** Seconds for which a deregistered task gets no new connections before ECS stops it; 0 to 3600. */
  readonly deregistrationDelaySeconds: number;
  /** Path that a healthy task answers with status 200. */
  readonly healthPath: string;
  /** Seconds for which a cookie of the load balancer sends a client to the same task; 1 to 604,800. @default no cookie */
  readonly stickinessSeconds?: number;
}

/** Changes of the target group before it is declared. */
export interface TargetGroupTransform {
  /** Changes the target group of the tasks. */
  readonly targetGroup?: Transform<aws.lb.TargetGroupArgs>;
}

/** Declares the target group, in which the ECS service registers its tasks. */
export function declareTargetGroup(
  name: string,
  { transform, ...args }: TargetGroupArgs & { readonly transform?: TargetGroupTransform | undefined },
  opts: pulumi.CustomResourceOptions,
): aws.lb.TargetGroup {
  return new aws.lb.TargetGroup(
    ...applyTransform<aws.lb.TargetGroupArgs>(
      transform?.targetGroup,
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
        healthCheck: { path: args.healthPath, ...HEALTH_CHECK },
        ...(args.stickinessSeconds !== undefined && {
          stickiness: { type: "lb_cookie", enabled: true, cookieDuration: args.stickinessSeconds },
        }),
      },
      opts,
    ),
  );
}
