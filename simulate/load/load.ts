/** A load over time. */

export interface Load {
  /** Such as `office-day` or the name of a file. */
  readonly name: string;
  /** Clients that are connected before the first minute. */
  readonly initialConnections: number;
  readonly minutes: readonly LoadMinute[];
}

/** What clients do in one minute. */
export interface LoadMinute {
  /** Clients that arrive. */
  readonly connects: number;
  /** Clients that leave. */
  readonly disconnects: number;
  /** Messages that all clients together receive. */
  readonly messages: number;
}

/** A simulation takes about a second for each month of a stack with 20 tasks. */
export const MAX_MINUTES = 31 * 24 * 60;
