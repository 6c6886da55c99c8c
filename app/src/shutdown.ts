/** From a signal to the end of the process: in order, in time, and at once if asked twice. */
import type { EventEmitter } from "node:events";

import type { Logger } from "pino";

const SIGNALS = ["SIGTERM", "SIGINT"] as const;

export interface ShutdownParts {
  /** Emits the signals: the process. */
  readonly signals: Pick<EventEmitter, "on">;
  /** Ends the process. */
  readonly exit: (code: number) => void;
  /** Drains and closes everything. */
  readonly shutDown: () => Promise<void>;
  /** Time for `shutDown`, in seconds. */
  readonly deadlineSeconds: number;
  readonly logger: Logger;
}

/**
 * Exits with 0 when `shutDown` has done its work after the first signal; with 1 when it fails, when it misses
 * its deadline, and at a second signal.
 */
export function shutDownOnSignal({ signals, exit, shutDown, deadlineSeconds, logger }: ShutdownParts): void {
  let stopping = false;

  const onSignal = (signal: string): void => {
    if (stopping) {
      logger.warn({ signal }, "second signal: exit now");
      exit(1);
      return;
    }
    stopping = true;
    logger.info({ signal }, "shutting down");
    setTimeout(() => {
      logger.error({ deadlineSeconds }, "deadline missed: exit now");
      exit(1);
    }, deadlineSeconds * 1000).unref();

    shutDown().then(
      () => {
        logger.info("stopped");
        exit(0);
      },
      (error: unknown) => {
        logger.fatal({ err: error }, "shutdown failed");
        exit(1);
      },
    );
  };

  for (const signal of SIGNALS) signals.on(signal, onSignal);
}
