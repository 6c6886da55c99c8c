/** Paced requests to clients to leave: they reconnect to other tasks, which could not accept all at once. */
import { setTimeout as delay } from "node:timers/promises";

/** Time between two groups of clients. */
const STEP_MS = 50;

/** Minimum number of clients that are asked per second: a few clients can leave at once. */
const MIN_PER_SECOND = 200;

export interface LeavingClient {
  leave(code: number, reason: string): void;
}

/**
 * Asks each client to leave, over at most `overMs`. Resolves when all have been asked, or when the signal is aborted.
 * @param onAsked called with the number of clients that have been asked so far.
 */
export async function askToLeave(
  clients: readonly LeavingClient[],
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
  const perStep = Math.ceil(Math.max(clients.length / steps, (MIN_PER_SECOND * STEP_MS) / 1000));
  for (let asked = 0; asked < clients.length;) {
    for (const client of clients.slice(asked, asked + perStep)) client.leave(code, reason);
    asked += perStep;
    onAsked?.(Math.min(asked, clients.length));
    if (asked >= clients.length) return;
    try {
      await delay(STEP_MS, undefined, signal === undefined ? undefined : { signal });
    } catch {
      // The caller has aborted the signal.
      return;
    }
  }
}
