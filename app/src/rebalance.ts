/**
 * Connections stay where they were opened, so tasks that are added later have none. An overloaded task asks some
 * clients to connect again: the load balancer sends them to the task with the fewest.
 */
import type { Logger } from "pino";

import { RecurringProblem } from "./metrics/recurringProblem.ts";

/** How often tasks tell each other their connections. */
const INTERVAL_MS = 2_000;

/**
 * Looks in a row at which there must be too much. What the others have told may be two intervals old: when a crowd comes to
 * all tasks at once, or from one that died, they seem to have room that they have not.
 */
const LOOKS = 3;

/** Those who are asked to go at one time are asked over this long. */
const RELEASE_MS = 5_000;

/** When a new task does so first: by then it has its connection to the others. */
const FIRST_MS = 500;

/** Near even: what a task may hold above the average before it asks clients to go. */
const TOLERANCE = 0.1;
const TOLERATED_CONNECTIONS = 10;

/** Share of what is too much that goes per interval: the others have to notice before more goes. */
const STEP_SHARE = 0.5;

/** Connections of every task, this one's among them. */
export interface TaskRegistry {
  /** Tells the others this task's connections, and learns theirs. */
  report(connections: number): Promise<readonly number[]>;
}

/**
 * How many clients a task should ask to go now.
 * @param own connections of this task.
 * @param all connections of every task, this one's among them.
 */
export function surplus(own: number, all: readonly number[]): number {
  if (all.length < 2) return 0;
  const average = all.reduce((sum, connections) => sum + connections, 0) / all.length;
  const tolerated = Math.max(average * TOLERANCE, TOLERATED_CONNECTIONS);
  return own <= average + tolerated ? 0 : Math.ceil((own - average) * STEP_SHARE);
}

export interface RebalanceParts {
  readonly registry: TaskRegistry;
  readonly connections: () => number;
  /** Asks so many clients to connect again, and resolves when it has. It must not reject. */
  readonly release: (count: number, overMs: number) => Promise<void>;
  readonly logger: Logger;
  /** @default INTERVAL_MS */
  readonly intervalMs?: number;
}

/** @returns its undo, which is idempotent. */
export function keepBalanced(parts: RebalanceParts): () => void {
  const { registry, connections, release, logger, intervalMs = INTERVAL_MS } = parts;
  const unknown = new RecurringProblem({
    logger,
    begun: "no rebalancing: the other tasks are not known",
    ended: "the other tasks are known again",
  });
  let stopped = false;
  let releasing = false;
  let timer: NodeJS.Timeout;
  /** What was too much at the last looks. */
  let looks: readonly number[] = [];

  const ask = async (count: number): Promise<void> => {
    releasing = true;
    await release(count, RELEASE_MS);
    releasing = false;
  };

  const round = async (): Promise<void> => {
    try {
      const own = connections();
      looks = [...looks, surplus(own, await registry.report(own))].slice(-LOOKS);
      const count = looks.length < LOOKS ? 0 : Math.min(...looks);
      if (count > 0 && !releasing && !stopped) {
        logger.info({ connections: own, released: count }, "rebalancing");
        // Nobody waits for it: a task that does not report is taken for gone.
        void ask(count);
      }
    } catch (error) {
      unknown.note(error);
    }
    if (!stopped) timer = setTimeout(() => void round(), intervalMs).unref();
  };
  timer = setTimeout(() => void round(), Math.min(FIRST_MS, intervalMs)).unref();

  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
