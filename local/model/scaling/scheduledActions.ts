/**
 * Scheduled actions, which set the minimum and the maximum. They wait for no cooldown, and start none.
 * @see https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-scheduled-scaling.html
 */
import { clamp, describeScheduledAction } from "./change.ts";
import type { DeclaredSchedule } from "./declaredScaling.ts";
import type { Schedule, Time } from "./schedule.ts";

interface Capacity {
  readonly desired: number;
  readonly min: number;
  readonly max: number;
}

/**
 * Runs the actions that are due after `previous.at`, in the order of their times, and moves the desired count into the new range.
 * @returns `reason` if the desired count changed.
 */
export function runScheduledActions(
  schedules: readonly DeclaredSchedule[],
  previous: { readonly at: Time; readonly min: number; readonly max: number },
  { at, desired }: { readonly at: Time; readonly desired: number },
): Capacity & { readonly reason: string | undefined } {
  const due = schedules
    .flatMap((action) => timesBetween(action.schedule, previous.at, at).map((time) => ({ action, time })))
    .sort((a, b) => a.time - b.time);
  let capacity: Capacity = { desired, min: previous.min, max: previous.max };
  let reason: string | undefined;
  for (const { action } of due) {
    const { min, max } = { ...capacity, ...omitUndefined(action) };
    const moved = { desired: clamp(capacity.desired, min, max), min, max };
    if (moved.desired !== capacity.desired) reason = describeScheduledAction(action.name, min, max);
    capacity = moved;
  }
  return { ...capacity, reason: capacity.desired === desired ? undefined : reason };
}

function omitUndefined({ min, max }: DeclaredSchedule): { readonly min?: number; readonly max?: number } {
  return { ...(min !== undefined && { min }), ...(max !== undefined && { max }) };
}

function timesBetween(schedule: Schedule, after: Time, until: Time): readonly Time[] {
  const times: Time[] = [];
  let time = schedule.next(after);
  while (time !== undefined && time <= until) {
    times.push(time);
    time = schedule.next(time);
  }
  return times;
}
