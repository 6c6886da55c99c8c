/**
 * The state of a CloudWatch alarm, computed from data points of one minute.
 * @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
 */
import type { AlarmState } from "./status.ts";

/** A value of one minute; `undefined` if the metric has none. */
export type Datapoint = number | undefined;

/** Data points of one minute that an alarm of a target tracking policy needs. */
export const HIGH_ALARM_MINUTES = 3;
export const LOW_ALARM_MINUTES = 15;
/** The alarm that removes tasks breaches below this share of the target. */
export const LOW_ALARM_SHARE = 0.9;

/**
 * Older data points that CloudWatch evaluates in place of missing ones. Their number "depends on the length of the alarm period";
 * the examples of AWS have this one.
 */
const ADDITIONAL_PERIODS = 2;

/** Maximum number of data points that an alarm evaluates. */
export const MAX_DATAPOINTS = LOW_ALARM_MINUTES + ADDITIONAL_PERIODS;

export function highAlarm(datapoints: readonly Datapoint[], target: number): AlarmState {
  return evaluateAlarm(datapoints, HIGH_ALARM_MINUTES, (value) => value > target);
}

export function lowAlarm(datapoints: readonly Datapoint[], target: number): AlarmState {
  return evaluateAlarm(datapoints, LOW_ALARM_MINUTES, (value) => value < target * LOW_ALARM_SHARE);
}

/**
 * Evaluates an alarm whose evaluation periods must all breach, and that treats missing data points as `missing`.
 * @param datapoints the newest is the last one.
 * @param periods number of data points that must breach.
 */
export function evaluateAlarm(
  datapoints: readonly Datapoint[],
  periods: number,
  isBreaching: (value: number) => boolean,
): AlarmState {
  const range = datapoints.slice(-(periods + ADDITIONAL_PERIODS));
  const existing = range.filter((value) => value !== undefined);
  if (existing.length >= periods) return existing.slice(-periods).every(isBreaching) ? "alarm" : "ok";
  if (!existing.every(isBreaching)) return "ok";
  // The alarm does not wait for more data points if the oldest one is old enough.
  const oldest = range.findIndex((value) => value !== undefined);
  return oldest !== -1 && range.length - oldest >= periods ? "alarm" : "insufficient-data";
}
