import type { Limits } from "../api/limits.ts";
import type { Clock } from "../platform/platform.ts";
import { Timer } from "../platform/timer.ts";
import { Backoff } from "./backoff.ts";

/** The client asks for a new token after this part of the remaining time, plus a random part, so that clients do not coincide. */
const MIN_PART = 0.75;
const RANDOM_PART = 0.15;

/** Minimum time between two tokens, for a token function that returns the same token again. */
const MIN_RENEWAL_MS = 1000;

/** Starts the attempts to replace a connection before its token expires. */
export class Renewal {
  readonly #random: () => number;
  readonly #timer: Timer;
  readonly #backoff: Backoff;

  constructor(limits: Limits, clock: Clock, random: () => number, onDue: () => void) {
    this.#random = random;
    this.#timer = new Timer(clock, onDue);
    this.#backoff = new Backoff(limits, clock, random, onDue);
  }

  /** @param expiresIn seconds until the token expires. */
  start(expiresIn: number): void {
    this.stop();
    const part = MIN_PART + RANDOM_PART * this.#random();
    this.#timer.start(Math.max(MIN_RENEWAL_MS, expiresIn * 1000 * part));
  }

  /** Starts the wait after a failed attempt. */
  retry(): void {
    this.#backoff.start(0, true);
  }

  stop(): void {
    this.#timer.stop();
    this.#backoff.reset();
  }
}
