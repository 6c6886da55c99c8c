import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";

/** A pacer that fell behind may catch up for this long after its last event was due. */
export const CATCH_UP_MS = 1000;

/** A pacer that is behind lets sockets be read after so many events. */
const EVENTS_A_TURN = 100;

/**
 * Open loop: calls `event` `count` times, `rate` times a second, whether or not what earlier calls began has
 * finished. A call that comes late, because this process was busy, still gets the time that it was due at (of
 * `performance.now()`), so that what is measured from there includes the wait.
 * Ends early when `signal` is aborted or `event` answers `false`, and for good a second after the last was due.
 */
export async function pace(
  { rate, count }: { readonly rate: number; readonly count: number },
  event: (index: number, dueAt: number) => boolean,
  signal: AbortSignal,
): Promise<void> {
  const startedAt = performance.now();
  const dueAt = (index: number) => startedAt + (index * 1000) / rate;
  const endsAt = dueAt(count) + CATCH_UP_MS;
  for (let index = 0; index < count; index++) {
    if (index % EVENTS_A_TURN === 0) await nextTurn();
    // A timer may fire up to a millisecond early; an event must not.
    const early = () => dueAt(index) - performance.now();
    for (let wait = early(); wait > 0 && !signal.aborted; wait = early()) {
      await sleep(wait, undefined, { signal }).catch(() => undefined);
    }
    if (signal.aborted || performance.now() > endsAt || !event(index, dueAt(index))) return;
  }
}
