/**
 * Health by consecutive check results, for targets and containers. A new target is healthy after one success, and an unhealthy one
 * after as many successes as the threshold.
 * @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
 */
export type Health = "initial" | "healthy" | "unhealthy";

export interface HealthThresholds {
  /** Consecutive successes after which an unhealthy target is healthy. */
  readonly healthy: number;
  /** Consecutive failures after which a target is unhealthy. */
  readonly unhealthy: number;
}

export interface HealthState {
  readonly health: Health;
  /** The number of equal results up to now: positive for successes, negative for failures. */
  readonly run: number;
}

export const INITIAL_HEALTH: HealthState = { health: "initial", run: 0 };

/** The health state after one more result. */
export function nextHealth(state: HealthState, passed: boolean, thresholds: HealthThresholds): HealthState {
  const run = passed ? Math.max(state.run, 0) + 1 : Math.min(state.run, 0) - 1;
  if (passed && (state.health === "initial" || run >= thresholds.healthy)) return { health: "healthy", run };
  if (-run >= thresholds.unhealthy) return { health: "unhealthy", run };
  return { health: state.health, run };
}
