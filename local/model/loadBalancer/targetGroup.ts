/** Declared target groups, and the choice of a target. */
import { type DeclaredGraph, findResources } from "../../../infra/evaluation/graph.ts";
import { FieldReader } from "../fieldReader.ts";
import type { HealthThresholds } from "../health.ts";

/** @see https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html */
const AWS_DEFAULTS = {
  deregistrationDelaySeconds: 300,
  healthCheckPath: "/",
  healthCheckIntervalSeconds: 30,
  healthCheckTimeoutSeconds: 5,
  healthyThreshold: 5,
  unhealthyThreshold: 2,
  matcher: "200",
  stickySeconds: 86_400,
} as const;

export type Algorithm = "round_robin" | "least_outstanding_requests" | "weighted_random";

export interface DeclaredTargetGroup {
  readonly name: string;
  readonly arn: string;
  readonly port: number;
  readonly algorithm: Algorithm;
  readonly deregistrationDelaySeconds: number;
  readonly healthCheck: TargetHealthCheck;
  /** Time for which a client stays with a target; `undefined` without stickiness. */
  readonly stickySeconds: number | undefined;
}

export interface TargetHealthCheck {
  readonly path: string;
  readonly intervalSeconds: number;
  readonly timeoutSeconds: number;
  readonly thresholds: HealthThresholds;
  /** Status codes that pass, such as `200`, `200,202` or `200-299`. */
  readonly matcher: string;
}

/** @throws {ExpectedError} that names the resource and the input that the local stack cannot emulate. */
export function readTargetGroups(graph: DeclaredGraph): readonly DeclaredTargetGroup[] {
  return findResources(graph, "aws:lb/targetGroup:TargetGroup").map((resource) => {
    const inputs = FieldReader.inputsOf(resource);
    inputs.choice("protocol", ["HTTP"]);
    inputs.choice("targetType", ["ip"]);
    const stickiness = inputs.objectOrEmpty("stickiness");
    const isSticky = stickiness.flag("enabled", false);
    if (isSticky) stickiness.choice("type", ["lb_cookie"]);
    const check = inputs.objectOrEmpty("healthCheck");
    check.choice("protocol", ["HTTP"], "HTTP");
    return {
      name: resource.name,
      arn: FieldReader.outputsOf(resource).text("arn"),
      port: inputs.number("port"),
      algorithm: inputs.choice(
        "loadBalancingAlgorithmType",
        ["round_robin", "least_outstanding_requests", "weighted_random"],
        "round_robin",
      ),
      deregistrationDelaySeconds: inputs.number(
        "deregistrationDelay",
        AWS_DEFAULTS.deregistrationDelaySeconds,
      ),
      healthCheck: {
        path: check.text("path", AWS_DEFAULTS.healthCheckPath),
        intervalSeconds: check.number("interval", AWS_DEFAULTS.healthCheckIntervalSeconds),
        timeoutSeconds: check.number("timeout", AWS_DEFAULTS.healthCheckTimeoutSeconds),
        thresholds: {
          healthy: check.number("healthyThreshold", AWS_DEFAULTS.healthyThreshold),
          unhealthy: check.number("unhealthyThreshold", AWS_DEFAULTS.unhealthyThreshold),
        },
        matcher: check.text("matcher", AWS_DEFAULTS.matcher),
      },
      stickySeconds: isSticky ? stickiness.number("cookieDuration", AWS_DEFAULTS.stickySeconds) : undefined,
    };
  });
}

/** Whether a status code passes a health check's matcher. */
export function matchesStatus(matcher: string, status: number): boolean {
  return matcher.split(",").some((part) => {
    const [low, high = low] = part.split("-").map(Number);
    return low !== undefined && high !== undefined && status >= low && status <= high;
  });
}

export interface TargetCandidate {
  readonly healthy: boolean;
  /** Open requests and upgraded connections. */
  readonly outstanding: number;
}

/**
 * The target for the next request, or `undefined` if there are no targets. If no target is healthy, the load balancer fails
 * open: all targets are candidates.
 * @param turn the number of earlier requests: equal candidates take turns. `weighted_random` takes turns too, because its weights
 * are equal while the load balancer detects no anomaly.
 */
export function chooseTarget<T extends TargetCandidate>(
  algorithm: Algorithm,
  targets: readonly T[],
  turn: number,
): T | undefined {
  const healthy = targets.filter((target) => target.healthy);
  const usable = healthy.length > 0 ? healthy : targets;
  const fewest = Math.min(...usable.map(({ outstanding }) => outstanding));
  const candidates =
    algorithm === "least_outstanding_requests"
      ? usable.filter(({ outstanding }) => outstanding === fewest)
      : usable;
  return candidates[turn % candidates.length];
}
