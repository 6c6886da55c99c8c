import assert from "node:assert/strict";
import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";

/** Time for what happens within milliseconds: enough for a busy machine, and far below what a test may take. */
export const DUE_MS = 5_000;

export interface Patience {
  /**
   * Time in milliseconds after which it fails.
   * @default DUE_MS
   */
  readonly forMs?: number;
  /** Time in milliseconds between two looks; none for one in each turn of the event loop. */
  readonly everyMs?: number;
}

/** Waits for a condition that has no event. */
export async function waitUntil(
  holds: () => boolean | Promise<boolean>,
  { forMs = DUE_MS, everyMs }: Patience = {},
): Promise<void> {
  const deadline = performance.now() + forMs;
  while (!(await holds())) {
    if (performance.now() > deadline) assert.fail(`not true after ${forMs} ms: ${holds.toString()}`);
    await (everyMs === undefined ? nextTurn() : delay(everyMs));
  }
}

/**
 * Waits for an event, and names it if it does not come.
 * @param expected what is awaited, such as "a message"; a function when the words depend on what has come by then.
 */
export async function due<Value>(
  event: Promise<Value>,
  expected: string | (() => string),
  forMs = DUE_MS,
): Promise<Value> {
  const timer = new AbortController();
  const overdue = delay(forMs, undefined, { signal: timer.signal }).then(
    () => assert.fail(`not after ${forMs} ms: ${typeof expected === "string" ? expected : expected()}`),
    () => new Promise<never>(() => undefined),
  );
  try {
    return await Promise.race([event, overdue]);
  } finally {
    timer.abort();
  }
}
