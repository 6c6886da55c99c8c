import assert from "node:assert/strict";
import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";

/** Less than what a test may take: what it waits for is told, and nothing goes on behind it. */
const WAIT_TIMEOUT_MS = 15_000;

export interface Patience {
  /** Time in milliseconds after which it fails. */
  readonly forMs?: number;
  /** Time in milliseconds between two looks; none for one in each turn of the event loop. */
  readonly everyMs?: number;
}

/** For what tells nobody when it happens. */
export async function waitUntil(
  holds: () => boolean | Promise<boolean>,
  { forMs = WAIT_TIMEOUT_MS, everyMs }: Patience = {},
): Promise<void> {
  const deadline = performance.now() + forMs;
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, `does not come true: ${holds.toString()}`);
    await (everyMs === undefined ? nextTurn() : delay(everyMs));
  }
}
