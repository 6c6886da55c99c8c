/** A process from its boot to its end at a signal: in order, in time, and at once if asked twice. */
import type { EventEmitter } from "node:events";

import type { Logger } from "pino";

const SIGNALS = ["SIGTERM", "SIGINT"] as const;

/** What a boot has brought up. */
export interface Running {
  readonly logger: Logger;
  /** Drains and closes everything. */
  readonly shutDown: () => Promise<void>;
}

export interface RunParts {
  /** Emits the signals: the process. */
  readonly signals: Pick<EventEmitter, "on">;
  /** Aborted when npm, which started the process, has ended: a first signal, and never a second one. */
  readonly orphaned?: AbortSignal;
  /** Ends the process. */
  readonly exit: (code: number) => void;
  /** Begins only when signals are heard; one that comes in the midst of it is obeyed at its end. */
  readonly boot: () => Promise<Running>;
  /** Time from a signal to the end of the process, in seconds. */
  readonly deadlineSeconds: number;
}

/**
 * Exits with 0 when the shutdown has done its work after the first signal; with 1 when it fails, when it misses
 * its deadline, and at a second signal.
 * @returns when the boot is over.
 * @throws what the boot throws.
 */
export async function runUntilSignal(parts: RunParts): Promise<void> {
  const { signals, orphaned, exit, boot, deadlineSeconds } = parts;
  const booted = Promise.withResolvers<Running>();
  let logger: Logger | undefined;
  let stopping = false;

  const onSignal = (signal: string): void => {
    if (stopping) {
      logger?.warn({ signal }, "second signal: exit now");
      exit(1);
      return;
    }
    stopping = true;
    setTimeout(() => {
      logger?.error({ deadlineSeconds }, "deadline missed: exit now");
      exit(1);
    }, deadlineSeconds * 1000).unref();

    void booted.promise.then((running) => stop(running, signal));
  };

  const stop = async (running: Running, signal: string): Promise<void> => {
    ({ logger } = running);
    logger.info({ signal }, "shutting down");
    try {
      await running.shutDown();
      logger.info("stopped");
      exit(0);
    } catch (error) {
      logger.fatal({ err: error }, "shutdown failed");
      exit(1);
    }
  };

  for (const signal of SIGNALS) signals.on(signal, onSignal);
  orphaned?.addEventListener("abort", () => {
    if (!stopping) onSignal("npm has ended");
  });
  booted.resolve(await boot());
}
