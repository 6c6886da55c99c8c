/** A limit of rate that forgives short bursts. */
export interface TokenBucket {
  /** Takes one token, and says whether there was one. */
  take(): boolean;
}

/**
 * @param perSecond tokens that flow in each second.
 * @param burst tokens that the bucket holds, and starts with.
 * @param now milliseconds on a clock that never goes back.
 */
export function createTokenBucket(
  perSecond: number,
  burst: number,
  now: () => number = () => performance.now(),
): TokenBucket {
  let tokens = burst;
  let filledAt = now();

  return {
    take() {
      const time = now();
      tokens = Math.min(burst, tokens + ((time - filledAt) / 1000) * perSecond);
      filledAt = time;
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}
