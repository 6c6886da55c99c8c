/** How healthy a task's container is, by its own declared check, or by its silence where it has none. */
import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { type Health, INITIAL_HEALTH, judge } from "../../model/health.ts";
import type { ContainerHealthCheck } from "../../model/service.ts";
import type { HealthCheck } from "../../model/loadBalancer/targetGroup.ts";

/** Checks of a container whose health is still unknown: nobody waits for an interval to hear that it is healthy. */
const INITIAL_CHECK_SPACING_MS = 500;
const NOT_LISTENING = "it does not listen";

export interface WatchOptions {
  readonly check: ContainerHealthCheck;
  /** The server's source file. */
  readonly entry: string;
  readonly environment: Readonly<Record<string, string>>;
  /** `undefined` until it listens. */
  readonly port: () => number | undefined;
  readonly listening: AbortSignal;
  /** Ends the watch. */
  readonly gone: AbortSignal;
  /** Called after every check. */
  readonly onHealth: (health: Health, reason: string) => void;
}

/** From the start: a process that never listens is as unhealthy as one that does not answer. */
export async function watchContainer(options: WatchOptions): Promise<void> {
  const { check, entry, environment, listening, gone, onHealth } = options;
  const { intervalSeconds, startPeriodSeconds, timeoutSeconds, thresholds } = check;
  // While the health is unknown, a failure counts at the declared pace only.
  let countsAt = performance.now() + Math.max(startPeriodSeconds, intervalSeconds) * 1000;
  let state = INITIAL_HEALTH;
  while (!gone.aborted) {
    const port = options.port();
    const passed =
      port !== undefined &&
      (await runs(
        [entry, ...check.args],
        { ...environment, PORT: String(port) },
        timeoutSeconds * 1000,
        gone,
      ));
    const now = performance.now();
    if (passed || state.health !== "initial" || now >= countsAt) {
      state = judge(state, passed, thresholds);
      countsAt = now + intervalSeconds * 1000;
    }
    onHealth(
      state.health,
      port === undefined ? NOT_LISTENING : `its health check "${check.args.join(" ")}" failed`,
    );
    const pause = state.health === "initial" ? INITIAL_CHECK_SPACING_MS : intervalSeconds * 1000;
    const woken = port === undefined ? AbortSignal.any([gone, listening]) : gone;
    await sleep(pause, undefined, { signal: woken }).catch(() => undefined);
  }
}

/**
 * The target group's verdict on a process that never listens, where the container has no check of its own.
 * @param signal ends the watch.
 */
export async function watchSilence(
  { intervalSeconds, thresholds }: HealthCheck,
  signal: AbortSignal,
  onUnhealthy: (reason: string) => void,
): Promise<void> {
  await sleep(intervalSeconds * thresholds.unhealthy * 1000, undefined, { signal }).then(
    () => {
      onUnhealthy(NOT_LISTENING);
    },
    () => undefined,
  );
}

/** Whether Node runs this command to its end with exit code 0 in time. */
function runs(
  args: readonly string[],
  env: Record<string, string>,
  timeout: number,
  signal: AbortSignal,
): Promise<boolean> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { env, timeout, signal, killSignal: "SIGKILL" }, (error) => {
      resolve(error === null);
    });
  });
}
