/** The readiness check of the message log. Load balancers must not send clients to a task that cannot store a message. */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";

import type { Logger } from "pino";

import type { LogReader, MessageLog } from "./log.ts";
import { RecurringProblem } from "../metrics/recurringProblem.ts";

/** No client can open this channel: a URL's channel name has no parentheses. */
const CHECK_CHANNEL = "(check)";

/** Delay between two attempts, in milliseconds. */
const RETRY_MS = 250;

export interface LogCheck {
  /** Whether the log has once opened a channel, stored a message and delivered it. A later outage does not change it. */
  readonly passed: boolean;
  /** Ends the check. Idempotent. */
  readonly stop: () => void;
}

/** Checks a log repeatedly until it has delivered a message. */
export function checkLog(log: MessageLog, logger: Logger): LogCheck {
  const stopping = new AbortController();
  const problem = new RecurringProblem({
    logger,
    begun: "not ready: the message log does not answer",
    ended: "the message log answers",
    quietMs: Infinity,
  });
  const record = randomUUID();
  let passed = false;
  /** Only entries after the beginning are delivered. */
  const following = Promise.withResolvers<undefined>();

  const reader: LogReader = {
    started: () => {
      following.resolve(undefined);
    },
    entries(entries) {
      if (passed || !entries.some((entry) => entry.record === record)) return;
      passed = true;
      problem.end();
      // A reader must not call the log in a callback.
      setImmediate(stop);
    },
  };
  const stop = (): void => {
    log.unsubscribe(CHECK_CHANNEL, reader);
  };
  log.subscribe(CHECK_CHANNEL, reader);
  const write = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        await log.end(CHECK_CHANNEL);
        await following.promise;
        await log.append({ channel: CHECK_CHANNEL, record });
        return;
      } catch (error) {
        problem.note(error);
        await delay(RETRY_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
  };
  void write();

  return {
    get passed() {
      return passed;
    },
    stop() {
      stopping.abort();
      stop();
    },
  };
}
