import { build } from "hdr-histogram-js";

const MICROSECONDS_PER_MILLISECOND = 1000;

/** In milliseconds; exact to three significant digits. */
export interface Percentiles {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p99_9: number;
  readonly max: number;
}

/** Durations in a High Dynamic Range histogram: constant memory, however many. */
export class Latencies {
  readonly #microseconds = build({ numberOfSignificantValueDigits: 3, autoResize: true });

  record(milliseconds: number): void {
    this.#microseconds.recordValue(Math.max(0, Math.round(milliseconds * MICROSECONDS_PER_MILLISECOND)));
  }

  /** `null` where nothing was recorded. */
  percentiles(): Percentiles | null {
    const histogram = this.#microseconds;
    if (histogram.totalCount === 0) return null;
    const at = (percentile: number) =>
      histogram.getValueAtPercentile(percentile) / MICROSECONDS_PER_MILLISECOND;
    return {
      count: histogram.totalCount,
      p50: at(50),
      p90: at(90),
      p99: at(99),
      p99_9: at(99.9),
      max: at(100),
    };
  }
}
