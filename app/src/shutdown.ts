/** The process from its boot to its exit after a signal. */
import type { EventEmitter } from "node:events";

import type { Logger } from "pino";

const SIGNALS = ["SIGTERM", "SIGINT"] as const;

/** The result of a boot. */
export interface Running {
  readonly logger: Logger;
  /** Drains and closes everything. */
  readonly shutDown: () => Promise<void>;
}

export interface RunParts {
  /** The process, which emits the signals. */
  readonly signals: Pick<EventEmitter, "on">;
  /** Aborted if npm has started the process and has ended. It counts as a first signal, never as a second one. */
  readonly orphaned?: AbortSignal;
  /** Ends the process. */
  readonly exit: (code: number) => void;
  /** Called after the listeners of the signals are added. A signal during the boot takes effect when the boot has ended. */
  readonly boot: () => Promise<Running>;
  /** Maximum time from a signal to the exit of the process. */
  readonly deadlineSeconds: number;
}

/**
 * Boots, and shuts down after the first signal. Exits with 0 if the shutdown succeeds. Exits with 1 if it fails or misses its
 * deadline, and at a second signal. Resolves when the boot has ended.
 * @throws the error of the boot.
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
