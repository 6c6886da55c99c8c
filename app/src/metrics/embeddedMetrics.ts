/**
 * Log lines from which CloudWatch makes metrics, without an agent.
 * @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 */
import type { Metrics, Percentiles, Snapshot } from "./metrics.ts";

const NAMESPACE = "WebSocket";

/** Of those that CloudWatch knows. */
type Unit = "Count" | "Bytes" | "Milliseconds" | "Percent";

/** A metric of the line. */
type Datum = readonly [name: string, unit: Unit, value: number];

export interface EmbeddedMetricsParts {
  readonly metrics: Pick<Metrics, "snapshot">;
  /** Interval of the lines in seconds; 0 writes none. */
  readonly everySeconds: number;
  /** Writes one line, without its end, to a log that reaches CloudWatch as it stands. */
  readonly write: (line: string) => void;
  /**
   * What tells this service's metrics from another's, by name. Every combination of values is a metric of its own
   * to CloudWatch, and is paid for: not a task's id. At most 30, with values of 1 to 1024 ASCII characters.
   */
  readonly dimensions: Readonly<Record<string, string>>;
}

/** @returns its undo, which writes the rest as a last line. Idempotent. */
export function logMetrics({ metrics, everySeconds, write, dimensions }: EmbeddedMetricsParts): {
  readonly stop: () => void;
} {
  if (everySeconds === 0) return { stop: () => undefined };

  const log = (): void => {
    write(JSON.stringify(documentOf(metrics.snapshot(), dimensions)));
  };
  const timer = setInterval(log, everySeconds * 1000).unref();
  let stopped = false;
  return {
    stop() {
      if (stopped) return;
      stopped = true;
      clearInterval(timer);
      log();
    },
  };
}

function documentOf(snapshot: Snapshot, dimensions: Readonly<Record<string, string>>): object {
  const data = dataOf(snapshot);
  return {
    _aws: {
      Timestamp: Date.now(),
      CloudWatchMetrics: [
        {
          Namespace: NAMESPACE,
          Dimensions: [Object.keys(dimensions)],
          Metrics: data.map(([Name, Unit]) => ({ Name, Unit })),
        },
      ],
    },
    ...dimensions,
    ...Object.fromEntries(data.map(([name, , value]) => [name, value])),
    // Not metrics: to be asked for by a query, at no cost.
    UpgradesRefusedByStatus: snapshot.upgradesRefused,
    UsersLimitedByLimit: snapshot.usersLimited,
    PublishesRefusedByCode: snapshot.publishesRefused,
    ClosesByCode: snapshot.closes,
  };
}

function dataOf(snapshot: Snapshot): readonly Datum[] {
  const { counts } = snapshot;
  return [
    ["Connections", "Count", snapshot.connections],
    ["Channels", "Count", snapshot.channels],
    ["SlowestCursorLag", "Bytes", snapshot.slowestLagBytes],
    ["DrainProgress", "Percent", snapshot.drainProgress * 100],
    ["Deliveries", "Count", counts.deliveries],
    ["DeliveredBytes", "Bytes", counts.deliveredBytes],
    ["ReceivedMessages", "Count", counts.received],
    ["PublishedMessages", "Count", counts.published],
    ["DuplicatePublishes", "Count", counts.duplicates],
    ["UpgradesRefused", "Count", sum(snapshot.upgradesRefused)],
    ["PublishesRefused", "Count", sum(snapshot.publishesRefused)],
    ["Closes", "Count", sum(snapshot.closes)],
    ...percentiles("FanOut", snapshot.fanOut),
    ...percentiles("Append", snapshot.append),
    ...percentiles("EventLoopDelay", snapshot.eventLoopDelay),
  ];
}

/** No data where nothing was observed: a zero would be taken for a very good time. */
function percentiles(name: string, values: Percentiles | undefined): readonly Datum[] {
  if (values === undefined) return [];
  return [
    [`${name}P50`, "Milliseconds", values.p50],
    [`${name}P99`, "Milliseconds", values.p99],
  ];
}

function sum(tally: Readonly<Record<string, number>>): number {
  return Object.values(tally).reduce((total, count) => total + count, 0);
}
