/** One log line when a problem begins and one when it is over, however often it occurs between them. */
import type { Logger } from "pino";

/** Time without an occurrence after which a problem is over, in milliseconds: longer than any of them pauses between two. */
const QUIET_MS = 10_000;

export interface RecurringProblemParts {
  readonly logger: Logger;
  /** Message of the line that a problem begins with, which carries the reason. */
  readonly begun: string;
  /** Message of the line that it ends with, which carries how often it occurred. */
  readonly ended: string;
  /** Infinite if only {@link RecurringProblem.end} ends it. @default QUIET_MS */
  readonly quietMs?: number;
}

export class RecurringProblem {
  readonly #parts: RecurringProblemParts;
  #since = 0;
  #occurrences = 0;
  #quiet: NodeJS.Timeout | undefined;

  constructor(parts: RecurringProblemParts) {
    this.#parts = parts;
  }

  /** It has occurred. Only the first reason is logged, without a stack trace. */
  note(reason: unknown): void {
    const { logger, begun, quietMs = QUIET_MS } = this.#parts;
    this.#occurrences += 1;
    if (this.#occurrences === 1) {
      this.#since = performance.now();
      logger.warn({ reason: textOf(reason) }, begun);
    }
    if (quietMs === Infinity) return;
    if (this.#quiet === undefined) this.#quiet = setTimeout(this.end, quietMs).unref();
    else this.#quiet.refresh();
  }

  /** It is over. Nothing happens if there is none. */
  readonly end = (): void => {
    clearTimeout(this.#quiet);
    this.#quiet = undefined;
    if (this.#occurrences === 0) return;
    const { logger, ended } = this.#parts;
    const seconds = Math.round((performance.now() - this.#since) / 1000);
    logger.info({ occurrences: this.#occurrences, seconds }, ended);
    this.#occurrences = 0;
  };
}

/** The message of an error, and of what caused it. */
function textOf(reason: unknown): string {
  if (!(reason instanceof Error)) return String(reason);
  const { message, name, cause } = reason;
  const own = message === "" ? name : message;
  return cause === undefined ? own : `${own}: ${textOf(cause)}`;
}
