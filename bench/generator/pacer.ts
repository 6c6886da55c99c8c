/** A timer may be late by a millisecond: when something is due this soon, the pacer looks again every turn. */
const LOOK_EVERY_TURN_MS = 2;

/**
 * Calls `event` `rate` times a second with the time that each was due at, which stays what it is when this process
 * or the server is late; and `turn` after each group of events that were due together.
 * @returns its undo; idempotent.
 */
export function startPacer(rate: number, event: (dueAt: number) => void, turn: () => void): () => void {
  const gapMs = 1000 / rate;
  let dueAt = performance.now() + gapMs;
  let stopped = false;

  function look(): void {
    if (stopped) return;
    const now = performance.now();
    for (; dueAt <= now; dueAt += gapMs) event(dueAt);
    turn();
    const waitMs = dueAt - now;
    if (waitMs < LOOK_EVERY_TURN_MS) setImmediate(look);
    else setTimeout(look, waitMs - LOOK_EVERY_TURN_MS);
  }
  look();
  return () => {
    stopped = true;
  };
}
