/** Rules for scheduled actions of autoscaling. */
import type { Change, Problem } from "../../../app/src/settings/problem.ts";
import {
  expectedCron,
  findTimeZone,
  parseScheduledAction,
  renderScheduledAction,
  runsAfter,
} from "../schedule.ts";
import type { ScheduledAction } from "../schedule.ts";
import { scalingDefinitions } from "../scalingDefinitions.ts";
import type { ServiceConfig } from "../serviceConfig.ts";

type KeyOf = (name: string) => string;

/**
 * Quota of scheduled actions per scalable target.
 * @see https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-quotas.html
 */
const MAX_ACTIONS = 200;

const KEY = "scheduledScaling";

/**
 * Returns a problem for each scheduled action that breaks a rule.
 * @param keyOf adds the namespace to a key.
 */
export function checkSchedules(
  { scheduledScaling, backplane }: Pick<ServiceConfig, typeof KEY | "backplane">,
  keyOf: KeyOf,
): readonly Problem[] {
  const key = keyOf(KEY);
  if (scheduledScaling.length > MAX_ACTIONS) {
    const got = `${scheduledScaling.length} scheduled actions`;
    const fix = [{ set: key, to: scheduledScaling.slice(0, MAX_ACTIONS) }];
    return [{ key, got, expected: `at most ${MAX_ACTIONS}`, fix }];
  }
  const replace = (text: string, action: ScheduledAction): readonly Change[] => [
    { set: key, to: scheduledScaling.map((one) => (one === text ? renderScheduledAction(action) : one)) },
  ];
  const isLegal = (text: string): boolean => {
    const action = parseScheduledAction(text);
    return action !== undefined && findViolation(action, backplane, keyOf) === undefined;
  };
  const others = scheduledScaling.filter(isLegal);
  return scheduledScaling.flatMap((text): readonly Problem[] => {
    const action = parseScheduledAction(text);
    // The definition of the key checks the form.
    if (action === undefined) return [];
    const violation = findViolation(action, backplane, keyOf);
    if (violation === undefined) return [];
    const { expected, legal } = violation;
    const isFixed = legal !== undefined && isLegal(renderScheduledAction(legal));
    const removal: Change = others.length > 0 ? { set: key, to: others } : { ask: key, as: "list" };
    const fix: readonly Change[] = isFixed ? replace(text, legal) : [removal];
    return [{ key, got: JSON.stringify(text), expected, fix }];
  });
}

/** Warnings about scheduled actions that AWS accepts and that never run again, as sentences. */
export function scheduleWarnings({ scheduledScaling }: Pick<ServiceConfig, typeof KEY>): readonly string[] {
  const now = new Date();
  return scheduledScaling.flatMap((text) => {
    const action = parseScheduledAction(text);
    return action === undefined || runsAfter(action, now)
      ? []
      : [`${KEY}: ${JSON.stringify(text)} never runs again. Change its date, or remove it.`];
  });
}

/** The first broken rule, and a legal action that was probably meant. */
function findViolation(
  action: ScheduledAction,
  backplane: ServiceConfig["backplane"],
  keyOf: KeyOf,
): { readonly expected: string; readonly legal?: ScheduledAction } | undefined {
  const { cron, min, max, timeZone } = action;
  const expected = expectedCron(cron);
  if (expected !== undefined) return { expected };
  const zone = timeZone === undefined ? undefined : findTimeZone(timeZone);
  if (zone !== timeZone) {
    return {
      expected: `a time zone such as Europe/Berlin, and not ${timeZone ?? ""}`,
      ...(zone !== undefined && { legal: { ...action, timeZone: zone } }),
    };
  }
  const { min: fewest, max: most } = scalingDefinitions.minTasks;
  if (min < fewest || max < fewest || min > most || max > most) {
    return { expected: `a minimum and a maximum from ${fewest} to ${most} tasks` };
  }
  if (min > max) {
    return {
      expected: `a minimum of at most the maximum (${max})`,
      legal: { ...action, min: max, max: min },
    };
  }
  if (backplane === "memory" && max > 1) {
    return {
      expected: `1-1, because tasks do not share ${keyOf("backplane")} memory`,
      legal: { ...action, min: 1, max: 1 },
    };
  }
  return undefined;
}
