/** The metrics of a task, which Prometheus collects and `embeddedMetrics.ts` logs. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

import { forEachMetric } from "../settings/metricDefinitions.ts";
import type { MetricName } from "../settings/metricDefinitions.ts";
import { EVENT_LOOP_RESOLUTION_MS, EventLoopDelay, RecentLatency } from "./percentiles.ts";
import type { Percentiles } from "./percentiles.ts";
import { Tally } from "./tally.ts";
import type { TallyCounts } from "./tally.ts";

/** Upper bounds of the buckets of all latencies, in seconds: from one turn of the event loop to a timeout. */
const LATENCY_BUCKETS_SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** Metrics of Node.js that visit every open socket. Each scrape would stop the event loop for that time. */
const METRICS_PER_SOCKET = [
  "process_open_fds",
  "nodejs_active_resources",
  "nodejs_active_resources_total",
  "nodejs_active_handles",
  "nodejs_active_handles_total",
];

/** Plain numbers for hot paths: the caller adds to them, and they are read when the metrics are collected. */
export type Counts = Record<MetricName<"counter">, number>;

/** Return the present values. Each is called once per scrape or log line. */
export type Gauges = Readonly<Record<MetricName<"gauge">, () => number>>;

/** The events since the previous snapshot, and the present values of the gauges. */
export interface Snapshot {
  readonly gauge: Readonly<Record<MetricName<"gauge">, number>>;
  readonly counter: Readonly<Counts>;
  readonly tally: Readonly<Record<MetricName<"tally">, TallyCounts>>;
  /** `undefined` if nothing was observed. */
  readonly latency: Readonly<Record<MetricName<"latency">, Percentiles | undefined>>;
  readonly eventLoopDelay: Readonly<Record<MetricName<"eventLoopDelay">, Percentiles | undefined>>;
}

/** The metrics of one server. `metricDefinitions` has a row for each. */
export class Metrics {
  readonly counts: Counts = forEachMetric("counter", () => 0);
  readonly #registry = new Registry();
  readonly #tallies = forEachMetric("tally", () => new Tally());
  readonly #recentLatencies = forEachMetric("latency", () => new RecentLatency());
  readonly #histograms: Readonly<Record<MetricName<"latency">, Histogram>>;
  readonly #eventLoopDelay = new EventLoopDelay();
  #gauges: Gauges = forEachMetric("gauge", () => () => 0);
  #countsBefore: Counts = { ...this.counts };
  #hasNodeMetrics = false;

  constructor() {
    const registers = [this.#registry];
    forEachMetric("gauge", (key, { name, help }) => {
      const collect = (): void => {
        gauge.set(this.#gauges[key]());
      };
      const gauge: Gauge = new Gauge({ name, help, registers, collect });
    });
    forEachMetric("counter", (key, { name, help }) => {
      const collect = (): void => {
        counter.reset();
        counter.inc(this.counts[key]);
      };
      const counter: Counter = new Counter({ name, help, registers, collect });
    });
    forEachMetric("tally", (key, { name, help, label = "label" }) => {
      const collect = (): void => {
        counter.reset();
        for (const [value, count] of this.#tallies[key].totals) counter.inc({ [label]: value }, count);
      };
      const counter: Counter = new Counter({ name, help, registers, labelNames: [label], collect });
    });
    this.#histograms = forEachMetric(
      "latency",
      (_, { name, help }) => new Histogram({ name, help, registers, buckets: LATENCY_BUCKETS_SECONDS }),
    );
  }

  /** Counts an event by its label, such as a status or a close code. */
  count(name: MetricName<"tally">, label: string | number): void {
    this.#tallies[name].add(label);
  }

  /** Records a latency. */
  observe(name: MetricName<"latency">, seconds: number): void {
    this.#histograms[name].observe(seconds);
    this.#recentLatencies[name].record(seconds);
  }

  /** Sets the source of the gauges. They are 0 before. */
  watch(gauges: Gauges): void {
    this.#gauges = gauges;
  }

  /** Returns all metrics in the text format of Prometheus. From the first call on, Node.js' own metrics are among them. */
  async exposition(): Promise<{ readonly contentType: string; readonly text: string }> {
    if (!this.#hasNodeMetrics) this.#addNodeMetrics();
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  /** Returns the events since the previous call. Only one caller can use it. */
  snapshot(): Snapshot {
    const before = this.#countsBefore;
    this.#countsBefore = { ...this.counts };
    return {
      gauge: forEachMetric("gauge", (name) => this.#gauges[name]()),
      counter: forEachMetric("counter", (name) => this.counts[name] - before[name]),
      tally: forEachMetric("tally", (name) => this.#tallies[name].take()),
      latency: forEachMetric("latency", (name) => this.#recentLatencies[name].take()),
      eventLoopDelay: forEachMetric("eventLoopDelay", () => this.#eventLoopDelay.take()),
    };
  }

  /** Stops measuring the event loop. Idempotent. */
  close(): void {
    this.#eventLoopDelay.stop();
  }

  /** Node.js' metrics observe the process for good, which a task without a scraper does not need. */
  #addNodeMetrics(): void {
    this.#hasNodeMetrics = true;
    collectDefaultMetrics({
      register: this.#registry,
      eventLoopMonitoringPrecision: EVENT_LOOP_RESOLUTION_MS,
    });
    for (const name of METRICS_PER_SOCKET) this.#registry.removeSingleMetric(name);
  }
}
