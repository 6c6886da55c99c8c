/** What the server measures about itself, for Prometheus and for CloudWatch. */
import { createHistogram, monitorEventLoopDelay } from "node:perf_hooks";

import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

/** Upper bounds of the buckets of both latencies, in seconds: from one turn of the event loop to a timeout. */
const LATENCY_BUCKETS_SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** A longer time counts as this one in a percentile, in microseconds. */
const LONGEST_LATENCY_US = 60_000_000;

/** Significant digits of a percentile. */
const PERCENTILE_DIGITS = 2;

/** Interval at which the delay of the event loop is looked at; delays below it are seen by chance. */
const EVENT_LOOP_RESOLUTION_MS = 10;

/** Close codes that RFC 6455 and its registry define; beyond them, peers choose for themselves. */
const LAST_DEFINED_CLOSE_CODE = 1015;

/** Node's metrics that walk through every open socket, which would stop the event loop for the time of a scrape. */
const METRICS_PER_SOCKET = [
  "process_open_fds",
  "nodejs_active_resources",
  "nodejs_active_resources_total",
  "nodejs_active_handles",
  "nodejs_active_handles_total",
];

/** Plain numbers for hot paths: the caller adds to them, and they are read when somebody looks. */
export interface Counts {
  /** Messages written to sockets, each for each of its receivers. */
  deliveries: number;
  /** Bytes of these, with their frames' headers. */
  deliveredBytes: number;
  /** Messages that came from clients. */
  received: number;
  /** Messages that the log took. */
  published: number;
  /** Publishes that the log had already. */
  duplicates: number;
}

/** How things stand. Each is called once per scrape or log line. */
export interface Gauges {
  connections(): number;
  channels(): number;
  /** Bytes between the end of a channel and the reader that is furthest behind, over all channels. */
  slowestLagBytes(): number;
  /** 0 to 1; 0 when not draining. */
  drainProgress(): number;
}

/** Counts by a reason. */
export type Tally = Readonly<Record<string, number>>;

/** Of one latency over one interval, in milliseconds. */
export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
}

/** What has happened since the snapshot before, and how things stand now. */
export interface Snapshot {
  readonly counts: Readonly<Counts>;
  readonly upgradesRefused: Tally;
  readonly usersLimited: Tally;
  readonly publishesRefused: Tally;
  readonly closes: Tally;
  readonly connections: number;
  readonly channels: number;
  readonly slowestLagBytes: number;
  readonly drainProgress: number;
  /** Like the next two, absent where nothing was observed. */
  readonly fanOut: Percentiles | undefined;
  readonly append: Percentiles | undefined;
  readonly eventLoopDelay: Percentiles | undefined;
}

export interface Metrics {
  readonly counts: Counts;
  /** By the status that answered it. */
  upgradeRefused(status: number): void;
  /** By the limit that a user has reached. */
  userLimited(limit: string): void;
  /** By the code of the error that answered it. */
  publishRefused(code: string): void;
  /** Close code; 1006 where no Close frame was exchanged. */
  closed(code: number): void;
  /** From the moment the log handed a batch over to the moment when it was written to the last socket that took it. */
  observeFanOut(seconds: number): void;
  /** From the call of the log to its answer. */
  observeAppend(seconds: number): void;
  /** Says where the gauges are read; until then they are 0. */
  watch(gauges: Gauges): void;
  /** Everything in Prometheus' text format, with Node's own metrics from the first call on. */
  exposition(): Promise<{ readonly contentType: string; readonly text: string }>;
  /** For one caller: each call begins a new interval. */
  snapshot(): Snapshot;
  /** Stops watching the event loop. Idempotent. */
  close(): void;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const counts: Counts = { deliveries: 0, deliveredBytes: 0, received: 0, published: 0, duplicates: 0 };
  let gauges: Gauges = {
    connections: () => 0,
    channels: () => 0,
    slowestLagBytes: () => 0,
    drainProgress: () => 0,
  };

  const counter = (name: string, help: string, read: () => number): void => {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  };
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  };
  const tally = (name: string, help: string, label: string): Tallying => {
    const tallying = createTallying();
    new Counter({
      name,
      help,
      labelNames: [label],
      registers,
      collect() {
        this.reset();
        for (const [value, count] of tallying.totals) this.inc({ [label]: value }, count);
      },
    });
    return tallying;
  };
  const latency = (name: string, help: string): Latency => {
    const histogram = new Histogram({ name, help, buckets: LATENCY_BUCKETS_SECONDS, registers });
    return createLatency((seconds) => {
      histogram.observe(seconds);
    });
  };

  gauge("websocket_connections", "Open WebSockets.", () => gauges.connections());
  gauge(
    "websocket_channels",
    "Channels that are read: those with a connection, and for a moment longer.",
    () => gauges.channels(),
  );
  gauge("websocket_slowest_cursor_lag_bytes", "Bytes that the slowest reader is behind its channel.", () =>
    gauges.slowestLagBytes(),
  );
  gauge("websocket_drain_progress", "Share of the drain that is done, 0 to 1; 0 when not draining.", () =>
    gauges.drainProgress(),
  );
  counter(
    "websocket_deliveries_total",
    "Messages written to sockets, each for each receiver.",
    () => counts.deliveries,
  );
  counter(
    "websocket_delivered_bytes_total",
    "Bytes of the deliveries, frames included.",
    () => counts.deliveredBytes,
  );
  counter("websocket_received_messages_total", "Messages that clients sent.", () => counts.received);
  counter("websocket_published_messages_total", "Messages that the log took.", () => counts.published);
  counter(
    "websocket_duplicate_publishes_total",
    "Publishes that the log had already.",
    () => counts.duplicates,
  );
  const upgradesRefused = tally(
    "websocket_upgrades_refused_total",
    "Upgrades refused, and requests that could not be read, by the status of the answer.",
    "status",
  );
  const usersLimited = tally(
    "websocket_users_limited_total",
    "Upgrades refused and connections closed because their user had reached a limit, by the limit.",
    "limit",
  );
  const publishesRefused = tally(
    "websocket_publishes_refused_total",
    "Publishes refused, by the code of the error.",
    "code",
  );
  const closes = tally(
    "websocket_closes_total",
    "Connections that ended, by close code; 1006: without a Close frame.",
    "code",
  );
  const fanOut = latency(
    "websocket_fan_out_seconds",
    "Time from the log's handing a batch over to its write to the last socket that took it.",
  );
  const append = latency("websocket_append_seconds", "Time from a call of the log to its answer.");

  const eventLoop = monitorEventLoopDelay({ resolution: EVENT_LOOP_RESOLUTION_MS });
  eventLoop.enable();

  // They watch the process for good, which one that nobody scrapes need not pay for.
  let hasNodeMetrics = false;
  const addNodeMetrics = (): void => {
    hasNodeMetrics = true;
    collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: EVENT_LOOP_RESOLUTION_MS });
    for (const name of METRICS_PER_SOCKET) registry.removeSingleMetric(name);
  };

  let before = { ...counts };

  return {
    counts,
    upgradeRefused(status) {
      upgradesRefused.add(String(status));
    },
    userLimited(limit) {
      usersLimited.add(limit);
    },
    publishRefused(code) {
      publishesRefused.add(code);
    },
    closed(code) {
      closes.add(closeLabel(code));
    },
    observeFanOut: fanOut.observe,
    observeAppend: append.observe,
    watch(source) {
      gauges = source;
    },
    async exposition() {
      if (!hasNodeMetrics) addNodeMetrics();
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
    snapshot() {
      const now = { ...counts };
      const since: Counts = {
        deliveries: now.deliveries - before.deliveries,
        deliveredBytes: now.deliveredBytes - before.deliveredBytes,
        received: now.received - before.received,
        published: now.published - before.published,
        duplicates: now.duplicates - before.duplicates,
      };
      before = now;
      return {
        counts: since,
        upgradesRefused: upgradesRefused.take(),
        usersLimited: usersLimited.take(),
        publishesRefused: publishesRefused.take(),
        closes: closes.take(),
        connections: gauges.connections(),
        channels: gauges.channels(),
        slowestLagBytes: gauges.slowestLagBytes(),
        drainProgress: gauges.drainProgress(),
        fanOut: fanOut.take(),
        append: append.take(),
        eventLoopDelay: takeEventLoopDelay(eventLoop),
      };
    },
    close() {
      eventLoop.disable();
    },
  };
}

interface Tallying {
  readonly totals: ReadonlyMap<string, number>;
  add(reason: string): void;
  /** What was added since the last call. */
  take(): Tally;
}

function createTallying(): Tallying {
  const totals = new Map<string, number>();
  let recent = new Map<string, number>();
  return {
    totals,
    add(reason) {
      totals.set(reason, (totals.get(reason) ?? 0) + 1);
      recent.set(reason, (recent.get(reason) ?? 0) + 1);
    },
    take() {
      const taken = Object.fromEntries(recent);
      recent = new Map();
      return taken;
    },
  };
}

interface Latency {
  readonly observe: (seconds: number) => void;
  /** Of what was observed since the last call; `undefined` where nothing was. */
  take(): Percentiles | undefined;
}

function createLatency(observe: (seconds: number) => void): Latency {
  const recent = createHistogram({ lowest: 1, highest: LONGEST_LATENCY_US, figures: PERCENTILE_DIGITS });
  return {
    observe(seconds) {
      observe(seconds);
      // The histogram takes whole numbers from 1.
      recent.record(Math.min(LONGEST_LATENCY_US, Math.max(1, Math.round(seconds * 1e6))));
    },
    take() {
      const taken =
        recent.count === 0
          ? undefined
          : { p50: recent.percentile(50) / 1e3, p99: recent.percentile(99) / 1e3 };
      recent.reset();
      return taken;
    },
  };
}

function takeEventLoopDelay(monitor: ReturnType<typeof monitorEventLoopDelay>): Percentiles | undefined {
  // It measures the time between two looks, which is the interval of looking where there is no delay.
  const delayAt = (percentile: number): number =>
    Math.max(0, monitor.percentile(percentile) - EVENT_LOOP_RESOLUTION_MS * 1e6) / 1e6;
  const taken = monitor.count === 0 ? undefined : { p50: delayAt(50), p99: delayAt(99) };
  monitor.reset();
  return taken;
}

/** The label of a close code. A client can close with any of 4,000 codes, and each label costs memory for good. */
function closeLabel(code: number): string {
  return code <= LAST_DEFINED_CLOSE_CODE ? String(code) : `${Math.floor(code / 1000)}xxx`;
}
