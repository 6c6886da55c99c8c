import type { Logger } from "pino";

import { quoteValue } from "../settings/definition.ts";
import { canonicalOrigin } from "../settings/urls.ts";

/** The first label of an origin's host. */
const FIRST_LABEL = /^([a-z][a-z0-9+.-]*:\/\/)[\w-]+(?=\.)/;

/** Maximum number of origins that are logged individually, and the interval at which the number of others is logged. */
const MAX_LOGGED_ORIGINS = 20;
const FURTHER_ORIGINS_INTERVAL_MS = 600_000;

/** Maximum number of characters of a refused origin in a log line or an answer. */
const MAX_QUOTED_CHARACTERS = 200;

/**
 * Checks the origin of requests: a browser sends the origin of its page. Logs refused origins once each, up to a number of
 * different origins.
 */
export class OriginCheck {
  readonly #allowed: ReadonlySet<string>;
  readonly #logger: Logger;
  readonly #now: () => number;
  readonly #logged = new Set<string>();
  /** Refusals since the last line about origins that are not logged individually. */
  #further = 0;
  #furtherLoggedAt = -Infinity;

  /**
   * @param patterns an empty list allows every origin.
   * @param now milliseconds on a monotonic clock.
   */
  constructor(patterns: readonly string[], logger: Logger, now = (): number => performance.now()) {
    this.#allowed = new Set(patterns.map((pattern) => canonicalOrigin(pattern) ?? pattern));
    this.#logger = logger;
    this.#now = now;
  }

  /** Whether every origin is allowed. */
  get allowsAll(): boolean {
    return this.#allowed.size === 0;
  }

  /**
   * @param origin the value of the header `Origin`. Only browsers send it, and only a browser can act for a page of another origin.
   * @returns the reason for the developer of the page, or `undefined` if the origin is allowed.
   */
  check(origin: string | undefined): string | undefined {
    if (origin === undefined || this.#allows(origin)) return undefined;
    const shown = origin.slice(0, MAX_QUOTED_CHARACTERS);
    this.#log(shown);
    return `The origin ${quoteValue(shown)} is not allowed.`;
  }

  #allows(origin: string): boolean {
    if (this.allowsAll || this.#allowed.has(origin)) return true;
    return FIRST_LABEL.test(origin) && this.#allowed.has(origin.replace(FIRST_LABEL, "$1*"));
  }

  #log(origin: string): void {
    if (this.#logged.has(origin)) return;
    if (this.#logged.size < MAX_LOGGED_ORIGINS) {
      this.#logged.add(origin);
      this.#logger.warn({ origin }, "requests from this origin are refused");
      return;
    }
    this.#further += 1;
    const time = this.#now();
    if (time < this.#furtherLoggedAt + FURTHER_ORIGINS_INTERVAL_MS) return;
    this.#logger.warn({ refused: this.#further }, "requests from further origins are refused");
    this.#further = 0;
    this.#furtherLoggedAt = time;
  }
}
