/** What the declared target groups do, as functions of their declared values. */
import { type DeclaredGraph, ofType } from "../../../infra/evaluation/graph.ts";
import { Declared } from "../declared.ts";
import type { HealthThresholds } from "../health.ts";

/** What AWS assumes where the program leaves a value out (Elastic Load Balancing v2 API reference). */
const AWS_DEFAULTS = {
  deregistrationDelaySeconds: 300,
  healthCheckPath: "/",
  healthCheckIntervalSeconds: 30,
  healthCheckTimeoutSeconds: 5,
  healthyThreshold: 5,
  unhealthyThreshold: 2,
  matcher: "200",
} as const;

export type Algorithm = "round_robin" | "least_outstanding_requests" | "weighted_random";

export interface TargetGroup {
  readonly name: string;
  readonly arn: string;
  readonly port: number;
  readonly algorithm: Algorithm;
  readonly deregistrationDelaySeconds: number;
  readonly healthCheck: HealthCheck;
}

export interface HealthCheck {
  readonly path: string;
  readonly intervalSeconds: number;
  readonly timeoutSeconds: number;
  readonly thresholds: HealthThresholds;
  /** Status codes that pass, such as `200`, `200,202` or `200-299`. */
  readonly matcher: string;
}

/** @throws {Error} naming the resource and the input that cannot be played. */
export function readTargetGroups(graph: DeclaredGraph): readonly TargetGroup[] {
  return ofType(graph, "aws:lb/targetGroup:TargetGroup").map((resource) => {
    const inputs = Declared.inputsOf(resource);
    inputs.choice("protocol", ["HTTP"]);
    inputs.choice("targetType", ["ip"]);
    const check = inputs.objectOrEmpty("healthCheck");
    check.choice("protocol", ["HTTP"], "HTTP");
    return {
      name: resource.name,
      arn: Declared.outputsOf(resource).text("arn"),
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

export interface Candidate {
  readonly healthy: boolean;
  /** Requests and upgraded connections that are open now. */
  readonly outstanding: number;
}

/**
 * The target for the next request, or `undefined` where there is none. Where none is healthy, all are candidates
 * (the load balancer fails open). `turn` counts the requests; it breaks ties and makes the rounds, also of
 * weighted_random, whose weights are equal while no anomaly is detected.
 */
export function chooseTarget<T extends Candidate>(
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
