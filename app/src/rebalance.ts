/**
 * Rebalancing of connections. A connection stays with its task, so a task that is added later has none. A task with more
 * connections than the others asks some clients to reconnect, and the load balancer sends them to the task with the fewest.
 */
import type { Logger } from "pino";

import type { TaskRegistry } from "./log/log.ts";
import { RecurringProblem } from "./metrics/recurringProblem.ts";

/** Interval at which each task reports its connections to the others. */
const INTERVAL_MS = 2_000;

/**
 * Number of consecutive intervals with a surplus before clients are asked. Reports of other tasks can be two intervals old: if
 * many clients connect to all tasks at once, the others seem to have fewer connections than they have.
 */
const MIN_INTERVALS = 3;

/** Time over which the clients of one interval are asked. */
const RELEASE_MS = 5_000;

/** Time until the first report of a new task. By then it is connected to the backplane. */
const FIRST_MS = 500;

/** A task has a surplus only if it has more connections above the average than this share, and than this number. */
const TOLERANCE = 0.1;
const TOLERATED_CONNECTIONS = 10;

/** Share of the surplus that is released per interval. The other tasks must report new connections before more are released. */
const STEP_SHARE = 0.5;

/**
 * Returns the number of clients that a task should ask to reconnect now.
 * @param own connections of this task.
 * @param all connections of every task, including this one.
 */
export function computeSurplus(own: number, all: readonly number[]): number {
  if (all.length < 2) return 0;
  const average = all.reduce((sum, connections) => sum + connections, 0) / all.length;
  const tolerated = Math.max(average * TOLERANCE, TOLERATED_CONNECTIONS);
  return own <= average + tolerated ? 0 : Math.ceil((own - average) * STEP_SHARE);
}

export interface RebalanceParts {
  readonly registry: TaskRegistry;
  readonly connections: () => number;
  /** Asks `count` clients to reconnect, and resolves when all have been asked. It must not reject. */
  readonly release: (count: number, overMs: number) => Promise<void>;
  readonly logger: Logger;
  /** @default INTERVAL_MS */
  readonly intervalMs?: number;
}

/** Rebalances until the returned function is called, which is idempotent. */
export function startRebalancing(parts: RebalanceParts): () => void {
  const { registry, connections, release, logger, intervalMs = INTERVAL_MS } = parts;
  const problem = new RecurringProblem({
    logger,
    begun: "no rebalancing: the other tasks are not known",
    ended: "the other tasks are known again",
  });
  let stopped = false;
  let releasing = false;
  let timer: NodeJS.Timeout;
  /** The surplus at the last intervals. */
  let surpluses: readonly number[] = [];

  const ask = async (count: number): Promise<void> => {
    releasing = true;
    await release(count, RELEASE_MS);
    releasing = false;
  };

  const round = async (): Promise<void> => {
    try {
      const own = connections();
      surpluses = [...surpluses, computeSurplus(own, await registry.report(own))].slice(-MIN_INTERVALS);
      const count = surpluses.length < MIN_INTERVALS ? 0 : Math.min(...surpluses);
      if (count > 0 && !releasing && !stopped) {
        logger.info({ connections: own, released: count }, "rebalancing");
        // Not awaited: a task that does not report would count as ended.
        void ask(count);
      }
    } catch (error) {
      problem.note(error);
    }
    if (!stopped) timer = setTimeout(() => void round(), intervalMs).unref();
  };
  timer = setTimeout(() => void round(), Math.min(FIRST_MS, intervalMs)).unref();

  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
