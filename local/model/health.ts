/**
 * Health by consecutive results, as target groups and containers judge it. A new target needs a single success
 * ("After your target is registered, it must pass one health check to be considered healthy", Application Load
 * Balancer user guide); one that was unhealthy needs as many as the threshold says. A container likewise.
 */
export type Health = "initial" | "healthy" | "unhealthy";

export interface HealthThresholds {
  /** Consecutive successes that make an unhealthy one healthy. */
  readonly healthy: number;
  /** Consecutive failures that make it unhealthy. */
  readonly unhealthy: number;
}

export interface HealthState {
  readonly health: Health;
  /** Length of the current run of equal results: above zero for successes, below zero for failures. */
  readonly run: number;
}

export const INITIAL_HEALTH: HealthState = { health: "initial", run: 0 };

/** The state after one more result. */
export function judge(state: HealthState, passed: boolean, thresholds: HealthThresholds): HealthState {
  const run = passed ? Math.max(state.run, 0) + 1 : Math.min(state.run, 0) - 1;
  if (passed && (state.health === "initial" || run >= thresholds.healthy)) return { health: "healthy", run };
  if (-run >= thresholds.unhealthy) return { health: "unhealthy", run };
  return { health: state.health, run };
}
