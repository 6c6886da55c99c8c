import assert from "node:assert/strict";
import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";

/** Default timeout in milliseconds: long enough for a busy machine, and far below the timeout of a test. */
export const DUE_MS = 5_000;

export interface WaitOptions {
  /**
   * Timeout in milliseconds.
   * @default DUE_MS
   */
  readonly forMs?: number;
  /** Time in milliseconds between two checks. @default one check in each turn of the event loop */
  readonly everyMs?: number;
}

/** Waits for a condition that has no event. Fails with the condition's source after the timeout. */
export async function waitUntil(
  holds: () => boolean | Promise<boolean>,
  { forMs = DUE_MS, everyMs }: WaitOptions = {},
): Promise<void> {
  const deadline = performance.now() + forMs;
  while (!(await holds())) {
    if (performance.now() > deadline) assert.fail(`not true after ${forMs} ms: ${holds.toString()}`);
    await (everyMs === undefined ? nextTurn() : delay(everyMs));
  }
}

/**
 * Waits for an event. Fails with `expected` after the timeout.
 * @param expected name of the event, such as "a message"; a function if the name depends on earlier events.
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
