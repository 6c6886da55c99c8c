/** A limit of rate that forgives short bursts. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #now: () => number;
  #tokens: number;
  #filledAt: number;

  /**
   * @param perSecond tokens that flow in each second.
   * @param burst tokens that the bucket holds, and starts with.
   * @param now milliseconds on a clock that never goes back.
   */
  constructor(perSecond: number, burst: number, now = monotonicMs) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#now = now;
    this.#tokens = burst;
    this.#filledAt = now();
  }

  /** Takes one token, and says whether there was one. */
  take(): boolean {
    const time = this.#now();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((time - this.#filledAt) / 1000) * this.#perSecond);
    this.#filledAt = time;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

function monotonicMs(): number {
  return performance.now();
}
