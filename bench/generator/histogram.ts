/**
 * Durations in log-linear buckets, exact to 1.6 %: an overloaded server gives tens of millions of them in a second,
 * of which a general histogram takes fourteen.
 */

const SUB_BUCKET_BITS = 6;
const SUB_BUCKETS = 2 ** SUB_BUCKET_BITS;
/** Microseconds are kept in 32 bits: the longest duration is over an hour. */
const MAX_MICROSECONDS = 2 ** 32 - 1;
const BUCKETS = (32 - SUB_BUCKET_BITS + 1) * SUB_BUCKETS;

export class Histogram {
  readonly #counts = new Float64Array(BUCKETS);
  #total = 0;

  record(milliseconds: number): void {
    const bucket = bucketOf(Math.min(MAX_MICROSECONDS, Math.max(0, milliseconds * 1000)) >>> 0);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#total++;
  }

  /**
   * In milliseconds; `undefined` where nothing was recorded.
   * @param fraction 0.99 for the duration that one in a hundred exceeds.
   */
  quantile(fraction: number): number | undefined {
    if (this.#total === 0) return undefined;
    let below = 0;
    const bucket = this.#counts.findIndex((count) => (below += count) > fraction * this.#total);
    return microsecondsOf(bucket === -1 ? BUCKETS - 1 : bucket) / 1000;
  }
}

function bucketOf(microseconds: number): number {
  if (microseconds < SUB_BUCKETS) return microseconds;
  const exponent = 31 - Math.clz32(microseconds) - SUB_BUCKET_BITS;
  return (exponent + 1) * SUB_BUCKETS + ((microseconds >>> exponent) & (SUB_BUCKETS - 1));
}

/** The smallest number of microseconds in a bucket. */
function microsecondsOf(bucket: number): number {
  if (bucket < SUB_BUCKETS) return bucket;
  const exponent = Math.floor(bucket / SUB_BUCKETS) - 1;
  return (SUB_BUCKETS + (bucket % SUB_BUCKETS)) * 2 ** exponent;
}
