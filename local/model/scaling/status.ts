/** The state of an autoscaler, as outputs show it. */

/** A metric that a target tracking policy follows. */
export type ScalingMetric = "connections per task" | "requests per target" | "CPU";

/** `insufficient-data` if the metric has too few data points in the time that the alarm evaluates. */
export type AlarmState = "ok" | "alarm" | "insufficient-data";

export interface PolicyStatus {
  /** Logical name of the declared policy. */
  readonly name: string;
  readonly metric: ScalingMetric;
  /** The last data point, of one minute; `undefined` before the first one, or if the metric has none. */
  readonly value: number | undefined;
  readonly target: number;
  /** The alarm that adds tasks. */
  readonly high: AlarmState;
  /** The alarm that removes tasks. */
  readonly low: AlarmState;
}

export interface ScalingStatus {
  /** The desired number of tasks. */
  readonly desired: number;
  readonly min: number;
  readonly max: number;
  readonly policies: readonly PolicyStatus[];
}
