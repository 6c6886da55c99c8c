/** Asking clients to go, paced: those who go come back elsewhere, and all at once would be a herd. */
import { setTimeout as delay } from "node:timers/promises";

/** Time between two groups. */
const STEP_MS = 50;

/** Few clients are no herd: at least so many go per second. */
const MIN_PER_SECOND = 200;

export interface Leaving {
  leave(code: number, reason: string): void;
}

/**
 * Asks each to leave, over at most `overMs`. Resolves when all have been asked, or at the signal.
 * @param onAsked told how many have been asked so far.
 */
export async function askToLeave(
  leavers: readonly Leaving[],
  {
    code,
    reason,
    overMs,
    signal,
    onAsked,
  }: {
    readonly code: number;
    readonly reason: string;
    readonly overMs: number;
    readonly signal?: AbortSignal;
    readonly onAsked?: (asked: number) => void;
  },
): Promise<void> {
  const steps = Math.max(1, overMs / STEP_MS);
  const perStep = Math.ceil(Math.max(leavers.length / steps, (MIN_PER_SECOND * STEP_MS) / 1000));
  for (let asked = 0; asked < leavers.length;) {
    for (const leaver of leavers.slice(asked, asked + perStep)) leaver.leave(code, reason);
    asked += perStep;
    onAsked?.(Math.min(asked, leavers.length));
    if (asked >= leavers.length) return;
    try {
      await delay(STEP_MS, undefined, signal === undefined ? undefined : { signal });
    } catch {
      // The signal: whoever gave it has other plans for the rest.
      return;
    }
  }
}
