/** The clock of CloudWatch and Application Auto Scaling, which `--speed` accelerates. */
import { settingDefinitions } from "../../../app/src/settings/settings.ts";

/**
 * With this speed, a minute takes a second: the shortest interval in which a task logs its metrics. A task needs a second or two to
 * start here, and a minute or two on Fargate, so the autoscaler sees about the same delay.
 */
export const MAX_SPEED = 60;

const MINUTE_MS = 60_000;

/** The real time of one minute of the autoscaler, in milliseconds. */
export function minuteMs(speed: number): number {
  return MINUTE_MS / speed;
}

/** The autoscaler's time in milliseconds since the epoch, if it was the real time at `startedAt`. */
export function acceleratedTime(speed: number, startedAt: number, now: number): number {
  return startedAt + (now - startedAt) * speed;
}

/** The environment of a task that logs its metrics as often per minute of the autoscaler as it is declared, at most once in a second. */
export function accelerateMetricsLog(
  environment: Readonly<Record<string, string>>,
  speed: number,
): Readonly<Record<string, string>> {
  const { variable, default: byDefault } = settingDefinitions.metricsLogSeconds;
  const declared = Number(environment[variable] ?? byDefault);
  if (speed === 1 || declared === 0) return environment;
  return { ...environment, [variable]: String(Math.max(1, Math.floor(declared / speed))) };
}
