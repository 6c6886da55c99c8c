/** A join of a channel that has no result yet. */
export interface PendingJoin {
  /** When it began, on the clock of `performance.now()`. */
  readonly since: number;
  onTimeout(): void;
}

/** Time in which a subscription must join its channel. After that the channel counts as unavailable. */
export const JOIN_TIMEOUT_MS = 6_000;

const CHECK_INTERVAL_MS = 2_000;

/** The pending joins of all subscriptions of a task, with one timer. */
export class PendingJoins {
  readonly #joins = new Set<PendingJoin>();
  readonly #timer: NodeJS.Timeout;

  constructor() {
    this.#timer = setInterval(() => {
      const before = performance.now() - JOIN_TIMEOUT_MS;
      // From the oldest to the newest.
      for (const join of this.#joins) {
        if (join.since >= before) break;
        this.#joins.delete(join);
        join.onTimeout();
      }
    }, CHECK_INTERVAL_MS);
  }

  add(join: PendingJoin): void {
    this.#joins.add(join);
  }

  /** Idempotent. */
  remove(join: PendingJoin): void {
    this.#joins.delete(join);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
