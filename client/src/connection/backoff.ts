import type { Limits } from "../api/limits.ts";
import type { Clock } from "../platform/platform.ts";
import { Timer } from "../platform/timer.ts";

/** A connection that lasted this long resets the count of failures. */
const STABLE_MS = 5000;

/** After a close code that asks for a later attempt, the backoff is at least that of this many failures. */
const MIN_LATER_FAILURES = 4;

/** Maximum wait after the page or the network returns. It is random, as a network returns for many clients at once. */
const MAX_RETURN_DELAY_MS = 1000;

/** Waits before the next attempt, longer after each failure. */
export class Backoff {
  readonly #limits: Limits;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #timer: Timer;
  #failures = 0;
  #retryAt = 0;
  /** Whether the server asked for a later attempt. */
  #isLater = false;

  constructor(limits: Limits, clock: Clock, random: () => number, onRetry: () => void) {
    this.#limits = limits;
    this.#clock = clock;
    this.#random = random;
    this.#timer = new Timer(clock, onRetry);
  }

  /** Consecutive failures. */
  get failures(): number {
    return this.#failures;
  }

  /**
   * Starts the wait after a connection that was open for `openMs`.
   * @param isLater whether the server asked for a later attempt.
   * @returns the wait in milliseconds.
   */
  start(openMs: number, isLater: boolean): number {
    this.#failures = openMs < STABLE_MS ? this.#failures + 1 : 1;
    this.#isLater = isLater;
    return this.#wait(this.#delay());
  }

  /** Shortens the wait, unless the server asked for a later attempt. */
  shorten(): void {
    if (this.#isLater) return;
    const rest = Math.max(0, this.#retryAt - this.#clock.now());
    this.#wait(this.#random() * Math.min(rest, MAX_RETURN_DELAY_MS));
  }

  stop(): void {
    this.#timer.stop();
  }

  #wait(delay: number): number {
    this.#retryAt = this.#clock.now() + delay;
    this.#timer.start(delay);
    return delay;
  }

  #delay(): number {
    const { backoffBaseMs, backoffCapMs } = this.#limits;
    const failures = this.#isLater ? Math.max(this.#failures, MIN_LATER_FAILURES) : this.#failures;
    const longest = Math.min(backoffCapMs, backoffBaseMs * 2 ** (failures - 1));
    const shortest = this.#isLater ? Math.min(backoffBaseMs, longest) : 0;
    return shortest + this.#random() * (longest - shortest);
  }
}
