/** The times of a scheduled action: AWS's cron expressions of six fields, in a time zone. */
import { readCron } from "../../../infra/config/schedule.ts";

const EXPRESSION = /^cron\((?<fields>[^()]*)\)$/;
const FIELDS = 6;
/** The day of the week is the fifth field. */
const DAY_OF_WEEK = 4;

/** A time in milliseconds since the epoch. */
export type Time = number;

export interface Schedule {
  /** The first time after another one; `undefined` if there is none. */
  next(after: Time): Time | undefined;
}

/**
 * Reads an expression such as `cron(0 8 ? * MON-FRI *)`: minutes, hours, day of the month, month, day of the week, year.
 *
 * Days of the week need names. AWS documents the number 2 as Tuesday for Application Auto Scaling, and as Monday for the cron
 * expressions to which that page refers.
 * @param timeZone name of the IANA database.
 * @returns `undefined` if the expression is no such cron expression, or the time zone is unknown.
 * @see https://docs.aws.amazon.com/autoscaling/application/userguide/scheduled-scaling-using-cron-expressions.html
 */
export function readSchedule(expression: string, timeZone: string): Schedule | undefined {
  const fields = EXPRESSION.exec(expression)?.groups?.["fields"]?.trim().split(/\s+/) ?? [];
  if (fields.length !== FIELDS || hasNumber(fields[DAY_OF_WEEK])) return undefined;
  try {
    const cron = readCron(fields.join(" "), timeZone);
    const next = (after: Time): Time | undefined => cron.nextRun(new Date(after))?.getTime();
    // An unknown time zone is an error of the first use.
    next(0);
    return { next };
  } catch {
    return undefined;
  }
}

/** Whether a day of the week is a number. The numbers after `#` and `/` count weeks and steps. */
function hasNumber(daysOfWeek = ""): boolean {
  return /(?<![#/])\d/.test(daysOfWeek);
}
