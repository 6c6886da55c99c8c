import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";

/** After the last due time, the pacer may catch up for this long. */
export const CATCH_UP_MS = 1000;

export interface Pace {
  /** Events a second. */
  readonly rate: number;
  /** @default endless */
  readonly count?: number;
  /** Events of one turn of the event loop. Sockets are read between two turns. @default 100 */
  readonly maxEventsPerTurn?: number;
  /**
   * A timer may be late by a millisecond. The pacer waits by turns of the event loop, not by timers, if an event is due this
   * soon. @default 0
   */
  readonly spinMs?: number;
  readonly signal: AbortSignal;
}

/**
 * Open loop: calls `onDue` at a steady rate, even if this process or the server is late. A late call still receives the time at
 * which it was due (of `performance.now()`), so that a measurement from there includes the delay.
 * Ends when `signal` aborts, when `onDue` returns `false`, or {@link CATCH_UP_MS} after the last due time.
 * @param onTurn called after the events of one turn.
 */
export async function pace(
  { rate, count = Infinity, maxEventsPerTurn = 100, spinMs = 0, signal }: Pace,
  onDue: (index: number, dueAt: number) => boolean,
  onTurn: () => void = () => undefined,
): Promise<void> {
  const startedAt = performance.now();
  const dueAt = (index: number) => startedAt + (index * 1000) / rate;
  const endsAt = dueAt(count) + CATCH_UP_MS;
  for (let index = 0; index < count;) {
    const waitMs = dueAt(index) - performance.now();
    // A timer may also fire early, so the loop checks the time again.
    if (waitMs > spinMs) await sleep(waitMs - spinMs, undefined, { signal }).catch(() => undefined);
    else await nextTurn();
    const now = performance.now();
    for (let event = 0; index < count && dueAt(index) <= now && event < maxEventsPerTurn; event++) {
      if (signal.aborted || performance.now() > endsAt || !onDue(index, dueAt(index))) return;
      index++;
    }
    if (signal.aborted) return;
    onTurn();
  }
}
