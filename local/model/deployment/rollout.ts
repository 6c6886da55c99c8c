/**
 * The deployments of a service, and the circuit breaker that ends one whose tasks fail.
 * @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
 */

/** The threshold of the circuit breaker: half the desired count, within these bounds. */
const THRESHOLD = { share: 0.5, min: 3, max: 200 } as const;

/** The delay before a start doubles while tasks end before they are healthy. */
const BACKOFF = { firstMs: 1000, maxMs: 30_000 } as const;

/** Older deployments than these are forgotten, except the last completed one. */
const MAX_DEPLOYMENTS = 10;

export interface CircuitBreaker {
  /** Whether a failed deployment returns to the last completed revision. */
  readonly rollback: boolean;
}

export interface Deployment {
  readonly revision: number;
  readonly state: "in-progress" | "completed" | "failed";
  /** Consecutive tasks that ended, or became unhealthy, before they were healthy. */
  readonly failures: number;
}

export interface Rollout {
  /** The last one has the revision that new tasks get. No revision has two deployments. */
  readonly deployments: readonly [...Deployment[], Deployment];
  /** The revision of the last completed deployment. */
  readonly completed: number | undefined;
}

export const FIRST_ROLLOUT: Rollout = {
  deployments: [{ revision: 1, state: "in-progress", failures: 0 }],
  completed: undefined,
};

export function currentDeployment({ deployments }: Rollout): Deployment {
  return deployments[deployments.length - 1] ?? deployments[0];
}

/** Adds a deployment. One that is in progress ends without a result. */
export function deployRevision({ deployments, completed }: Rollout, revision: number): Rollout {
  const others = deployments.filter((other) => other.revision !== revision && other.state !== "in-progress");
  const kept = others.filter(
    (other, index) => index > others.length - MAX_DEPLOYMENTS || other.revision === completed,
  );
  return { deployments: [...kept, { revision, state: "in-progress", failures: 0 }], completed };
}

/** A task of the current deployment is healthy, which resets the circuit breaker. */
export function recordHealthy(rollout: Rollout): Rollout {
  return updateCurrent(rollout, { failures: 0 });
}

/** A task of the current deployment failed before it was healthy. @param breaker `undefined` without a circuit breaker. */
export function recordFailure(
  rollout: Rollout,
  breaker: CircuitBreaker | undefined,
  desiredCount: number,
): Rollout {
  const { state, failures } = currentDeployment(rollout);
  const counted = updateCurrent(rollout, { failures: failures + 1 });
  const isTriggered =
    breaker !== undefined && state === "in-progress" && failures + 1 >= circuitBreakerThreshold(desiredCount);
  if (!isTriggered) return counted;
  const failed = updateCurrent(counted, { state: "failed" });
  const returnsTo = rollbackRevision(failed, breaker);
  return returnsTo === undefined ? failed : deployRevision(failed, returnsTo);
}

/** The current deployment is complete if all desired tasks are healthy, and no others run. */
export function recordComplete(rollout: Rollout): Rollout {
  const { revision, state } = currentDeployment(rollout);
  if (state !== "in-progress") return rollout;
  return { ...updateCurrent(rollout, { state: "completed", failures: 0 }), completed: revision };
}

/** The number of consecutive failed tasks that triggers the circuit breaker. */
export function circuitBreakerThreshold(desiredCount: number): number {
  return Math.min(Math.max(Math.ceil(desiredCount * THRESHOLD.share), THRESHOLD.min), THRESHOLD.max);
}

/** The delay before the next start, in milliseconds. @param failures consecutive tasks that ended before they were healthy. */
export function restartDelayMs(failures: number): number {
  return failures === 0 ? 0 : Math.min(BACKOFF.firstMs * 2 ** (failures - 1), BACKOFF.maxMs);
}

/** A failed rollback has no revision to return to. */
function rollbackRevision(rollout: Rollout, { rollback }: CircuitBreaker): number | undefined {
  const isRollback = currentDeployment(rollout).revision === rollout.completed;
  return rollback && !isRollback ? rollout.completed : undefined;
}

function updateCurrent({ deployments, completed }: Rollout, change: Partial<Deployment>): Rollout {
  const current = currentDeployment({ deployments, completed });
  return { deployments: [...deployments.slice(0, -1), { ...current, ...change }], completed };
}
