/**
 * A rate limit that permits short bursts.
 * @see https://en.wikipedia.org/wiki/Token_bucket
 */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #filledAt: number;

  /**
   * @param perSecond tokens added per second.
   * @param burst capacity in tokens. The bucket is full at the start.
   * @param now milliseconds on a monotonic clock, such as `performance.now()`.
   */
  constructor(perSecond: number, burst: number, now: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#filledAt = now;
  }

  /** Takes `count` tokens. Returns false, and takes none, if there are fewer. */
  take(count: number, now: number): boolean {
    this.#tokens = Math.max(this.#tokens, Math.min(this.#burst, this.#tokens + this.#flow(now)));
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }

  /** Takes `count` tokens, even if there are fewer. {@link take} fails until they are back, at most the time of one more burst. */
  spend(count: number, now: number): void {
    this.take(0, now);
    this.#tokens = Math.max(this.#tokens - count, -this.#burst);
  }

  /** Adds the tokens since the last call, even beyond the burst: for a time in which nothing could be taken. */
  fill(now: number): void {
    this.#tokens += this.#flow(now);
  }

  #flow(now: number): number {
    const tokens = ((now - this.#filledAt) / 1000) * this.#perSecond;
    this.#filledAt = now;
    return tokens;
  }
}
