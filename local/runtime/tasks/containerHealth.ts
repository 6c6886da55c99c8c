/** The health of a task's container, by its declared health check, or by whether it listens if it has none. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Health, INITIAL_HEALTH, nextHealth } from "../../model/health.ts";
import type { TargetHealthCheck } from "../../model/loadBalancer/targetGroup.ts";
import type { ContainerHealthCheck } from "../../model/container.ts";
import type { TaskProcess } from "./taskProcess.ts";

/** While the health is unknown, checks run more often, so that a healthy task is reported soon. */
const INITIAL_CHECK_INTERVAL_MS = 500;

export interface ContainerWatchOptions {
  readonly check: ContainerHealthCheck;
  readonly process: Pick<TaskProcess, "check" | "assignedPort">;
  /** Returns `undefined` until the server listens. */
  readonly port: () => number | undefined;
  /** Aborts when the server listens. */
  readonly listening: AbortSignal;
  /** Ends the watch. */
  readonly gone: AbortSignal;
  /** Called after every check. The reason is that of the last failure. */
  readonly onHealth: (health: Health, reason: string) => void;
}

/** Checks from the start of the task: a server that never listens becomes unhealthy, like one that does not respond. */
export async function watchContainer(options: ContainerWatchOptions): Promise<void> {
  const { check, process, listening, gone, onHealth } = options;
  const { intervalSeconds, startPeriodSeconds, thresholds } = check;
  // While the health is unknown, failures count at the declared interval only.
  let countsAt = performance.now() + Math.max(startPeriodSeconds, intervalSeconds) * 1000;
  let state = INITIAL_HEALTH;
  let reason = "";
  while (!gone.aborted) {
    const port = options.port();
    const failure = port === undefined ? describeNotListening(process) : await process.check(check, gone);
    const now = performance.now();
    reason = failure ?? reason;
    if (failure === undefined || state.health !== "initial" || now >= countsAt) {
      state = nextHealth(state, failure === undefined, thresholds);
      countsAt = now + intervalSeconds * 1000;
    }
    onHealth(state.health, reason);
    const pauseMs = state.health === "initial" ? INITIAL_CHECK_INTERVAL_MS : intervalSeconds * 1000;
    const signal = port === undefined ? AbortSignal.any([gone, listening]) : gone;
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
  }
}

function describeNotListening({ assignedPort }: Pick<TaskProcess, "assignedPort">): string {
  const subject = "the server does not listen";
  return assignedPort === undefined ? subject : `${subject} on the port in PORT, ${assignedPort}`;
}

/**
 * The target group's result for a server that never listens, if the container has no health check.
 * @param signal ends the watch.
 */
export async function watchListening(
  { intervalSeconds, thresholds }: TargetHealthCheck,
  process: Pick<TaskProcess, "assignedPort">,
  signal: AbortSignal,
  onUnhealthy: (reason: string) => void,
): Promise<void> {
  await sleep(intervalSeconds * thresholds.unhealthy * 1000, undefined, { signal }).then(
    () => {
      onUnhealthy(describeNotListening(process));
    },
    () => undefined,
  );
}
