import type { Logger } from "pino";

/** Time without an occurrence after which a problem has ended: longer than the pause between two occurrences. */
const QUIET_MS = 10_000;

export interface RecurringProblemParts {
  readonly logger: Logger;
  /** Message of the first line, which has the reason. */
  readonly begun: string;
  /** Message of the last line, which has the number of occurrences. */
  readonly ended: string;
  /** `Infinity` if only {@link RecurringProblem.end} ends the problem. @default QUIET_MS */
  readonly quietMs?: number;
}

/** Logs one line when a problem begins and one when it has ended, regardless of the number of occurrences. */
export class RecurringProblem {
  readonly #parts: RecurringProblemParts;
  #since = 0;
  #occurrences = 0;
  #quiet: NodeJS.Timeout | undefined;

  constructor(parts: RecurringProblemParts) {
    this.#parts = parts;
  }

  /** Reports an occurrence. Only the first reason is logged, without a stack trace. */
  note(reason: unknown): void {
    const { logger, begun, quietMs = QUIET_MS } = this.#parts;
    this.#occurrences += 1;
    if (this.#occurrences === 1) {
      this.#since = performance.now();
      logger.warn({ reason: describeReason(reason) }, begun);
    }
    if (quietMs === Infinity) return;
    if (this.#quiet === undefined) this.#quiet = setTimeout(this.end, quietMs).unref();
    else this.#quiet.refresh();
  }

  /** Reports that the problem has ended. Does nothing if there is no problem. */
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

/** Returns the messages of an error and of its causes. */
function describeReason(reason: unknown): string {
  if (!(reason instanceof Error)) return String(reason);
  const { message, name, cause } = reason;
  const own = message === "" ? name : message;
  return cause === undefined ? own : `${own}: ${describeReason(cause)}`;
}
