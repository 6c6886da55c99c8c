import type { Clock } from "../platform/platform.ts";
import { Timer } from "../platform/timer.ts";

const TICK_MS = 15_000;

/**
 * A tick that is later than this means that the page or the machine was suspended: even a hidden page gets its timers once a
 * minute. Meanwhile, the server or the network has dropped the connection.
 * @see https://developer.chrome.com/blog/timer-throttling-in-chrome-88
 */
const MAX_TICK_DELAY_MS = 75_000;

/** Detects that the page or the machine was suspended while a connection was open. */
export class SuspensionDetector {
  readonly #clock: Clock;
  readonly #timer: Timer;
  /** By the clock that continues while the machine sleeps. */
  #nextTickAt = Infinity;

  constructor(clock: Clock, onResume: () => void) {
    this.#clock = clock;
    this.#timer = new Timer(clock, () => {
      if (this.wasSuspended()) onResume();
      else this.start();
    });
  }

  /** Whether the next tick is overdue. */
  wasSuspended(): boolean {
    return this.#clock.date() - this.#nextTickAt > MAX_TICK_DELAY_MS;
  }

  start(): void {
    this.#nextTickAt = this.#clock.date() + TICK_MS;
    this.#timer.start(TICK_MS);
  }

  stop(): void {
    this.#nextTickAt = Infinity;
    this.#timer.stop();
  }
}
