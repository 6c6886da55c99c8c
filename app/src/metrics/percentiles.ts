import { createHistogram, monitorEventLoopDelay } from "node:perf_hooks";

/** A longer time counts as this one, in microseconds. */
const MAX_LATENCY_US = 60_000_000;

/** Significant digits of a percentile. */
const DIGITS = 2;

/** Interval at which the delay of the event loop is sampled. Shorter delays are detected only by chance. */
export const EVENT_LOOP_RESOLUTION_MS = 10;

/** Percentiles of one latency over one interval, in milliseconds. */
export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
}

/** The percentiles of a latency since the last {@link take}. */
export class RecentLatency {
  readonly #histogram = createHistogram({ lowest: 1, highest: MAX_LATENCY_US, figures: DIGITS });

  record(seconds: number): void {
    // The histogram accepts integers from 1.
    this.#histogram.record(Math.min(MAX_LATENCY_US, Math.max(1, Math.round(seconds * 1e6))));
  }

  /** Returns `undefined` if nothing was recorded since the last call. */
  take(): Percentiles | undefined {
    const { count } = this.#histogram;
    const taken = { p50: this.#histogram.percentile(50) / 1e3, p99: this.#histogram.percentile(99) / 1e3 };
    this.#histogram.reset();
    return count === 0 ? undefined : taken;
  }
}

/** The percentiles of the event loop's delay since the last {@link take}. */
export class EventLoopDelay {
  readonly #monitor = monitorEventLoopDelay({ resolution: EVENT_LOOP_RESOLUTION_MS });

  constructor() {
    this.#monitor.enable();
  }

  /** Returns `undefined` if nothing was sampled since the last call. */
  take(): Percentiles | undefined {
    // Node.js measures the time between two samples, which is the sampling interval if there is no delay.
    const delayAt = (percentile: number): number =>
      Math.max(0, this.#monitor.percentile(percentile) - EVENT_LOOP_RESOLUTION_MS * 1e6) / 1e6;
    const taken = this.#monitor.count === 0 ? undefined : { p50: delayAt(50), p99: delayAt(99) };
    this.#monitor.reset();
    return taken;
  }

  /** Idempotent. */
  stop(): void {
    this.#monitor.disable();
  }
}
