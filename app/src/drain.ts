/** The drain of a task: its clients leave before it ends. */
import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";

import type { Logger } from "pino";

import type { Hub } from "./channel/hub.ts";
import { askToLeave } from "./departures.ts";
import type { OpenConnections } from "./openConnections.ts";
import { CloseCode } from "./wire/closeCode.ts";

/** Share of the drain time for the delivery of the messages that were published before the drain. */
const FLUSH_SHARE = 0.2;

/** Share of the drain time in which all clients are asked to leave. The last ones need the rest to close. */
const ASKING_SHARE = 0.6;

export interface DrainParts {
  readonly drainSeconds: number;
  readonly hub: Pick<Hub, "flush">;
  readonly connections: OpenConnections;
  /** Resolves when every HTTP request is answered. */
  readonly untilAnswered: () => Promise<void>;
  readonly logger: Logger;
}

export class Drain {
  readonly #parts: DrainParts;
  #progress = 0;

  constructor(parts: DrainParts) {
    this.#parts = parts;
  }

  /** Share of the clients that have been asked to leave, from 0 to 1; 0 before the drain, 1 after it. */
  get progress(): number {
    return this.#progress;
  }

  /**
   * Asks every client to leave. Resolves when all connections have closed; after `drainSeconds` the remaining ones are
   * terminated. The caller must have stopped the admission of clients, and calls this once.
   */
  async run(): Promise<void> {
    const { drainSeconds, connections, logger } = this.#parts;
    logger.info({ connections: connections.size }, "draining");
    const deadline = new AbortController();
    await within(drainSeconds * 1000, this.#askAll(deadline.signal));
    deadline.abort();

    const terminated = connections.size;
    await connections.terminateAll();
    this.#progress = 1;
    logger.info({ terminated }, "drained");
  }

  async #askAll(signal: AbortSignal): Promise<void> {
    const { drainSeconds, hub, connections, untilAnswered } = this.#parts;
    const total = connections.size;
    // Messages that the system has received by now were published before the drain.
    await nextTurn();
    await within(drainSeconds * 1000 * FLUSH_SHARE, hub.flush());
    await askToLeave([...connections], {
      code: CloseCode.goingAway,
      reason: "the server goes away",
      overMs: drainSeconds * 1000 * ASKING_SHARE,
      signal,
      onAsked: (asked) => {
        this.#progress = total === 0 ? 1 : asked / total;
      },
    });
    await Promise.all([connections.untilEmpty(), untilAnswered()]);
  }
}

/** Waits for `work`, but no longer than `milliseconds`. */
async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  const timer = new AbortController();
  const timeout = delay(milliseconds, undefined, { signal: timer.signal }).catch(() => undefined);
  try {
    await Promise.race([work, timeout]);
  } finally {
    timer.abort();
  }
}
