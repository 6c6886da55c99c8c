/** A rate limit: tokens arrive at a constant rate, up to a burst. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  readonly #now: () => number;
  #tokens: number;
  #filledAt: number;

  /** @param now milliseconds of a monotonic clock. */
  constructor(perSecond: number, burst: number, now: () => number) {
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    this.#now = now;
    this.#tokens = burst;
    this.#filledAt = now();
  }

  /** Milliseconds until the bucket holds `count` tokens, or the full burst if that is less; 0 if it holds them now. */
  wait(count: number): number {
    const now = this.#now();
    // A clock that goes back adds nothing.
    this.#tokens = Math.min(this.#burst, this.#tokens + Math.max(0, now - this.#filledAt) * this.#perMs);
    this.#filledAt = now;
    return Math.max(0, Math.ceil((Math.min(count, this.#burst) - this.#tokens) / this.#perMs));
  }

  take(count: number): void {
    this.#tokens -= Math.min(count, this.#burst);
  }

  drain(): void {
    this.#tokens = 0;
  }
}
