/** A limit of rate that forgives short bursts. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #filledAt: number;

  /**
   * @param perSecond tokens that flow in each second.
   * @param burst tokens that the bucket holds, and starts with.
   * @param now milliseconds on a clock that never goes back, such as `performance.now()`.
   */
  constructor(perSecond: number, burst: number, now: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#filledAt = now;
  }

  /** Takes so many tokens, or none and returns false if there are fewer. */
  take(count: number, now: number): boolean {
    this.#tokens = Math.max(this.#tokens, Math.min(this.#burst, this.#tokens + this.#flow(now)));
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }

  /** Adds what has flowed since the last call, beyond the burst too: for a time in which nothing could be taken. */
  fill(now: number): void {
    this.#tokens += this.#flow(now);
  }

  #flow(now: number): number {
    const tokens = ((now - this.#filledAt) / 1000) * this.#perSecond;
    this.#filledAt = now;
    return tokens;
  }
}
