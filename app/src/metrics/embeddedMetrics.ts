/**
 * Log lines from which CloudWatch creates metrics, without an agent.
 * @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 */
import { METRIC_NAMESPACE, metricDefinitions } from "../settings/metricDefinitions.ts";
import type { MetricDefinition } from "../settings/metricDefinitions.ts";
import type { Metrics, Snapshot } from "./metrics.ts";

/** A metric of a line. */
interface Datum {
  readonly Name: string;
  readonly Unit: string;
  readonly value: number;
}

export interface EmbeddedMetricsParts {
  readonly metrics: Pick<Metrics, "snapshot">;
  /** Interval of the lines in seconds; 0 writes none. */
  readonly everySeconds: number;
  /** Writes one line, given without its line break, to a log that reaches CloudWatch unchanged. */
  readonly write: (line: string) => void;
  /**
   * Dimensions of the metrics, at most 30, with values of 1 to 1024 ASCII characters. CloudWatch charges for every
   * combination of values as a metric of its own, so a task's id is no dimension.
   */
  readonly dimensions: Readonly<Record<string, string>>;
}

/** Logs a line at once, and then until `stop` is called, which writes the last line. `stop` is idempotent. */
export function logMetrics({ metrics, everySeconds, write, dimensions }: EmbeddedMetricsParts): {
  readonly stop: () => void;
} {
  if (everySeconds === 0) return { stop: () => undefined };

  const log = (): void => {
    write(JSON.stringify(createDocument(metrics.snapshot(), dimensions)));
  };
  // The autoscaler follows the average of the tasks, in which a new task counts from its first line on.
  log();
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

function createDocument(snapshot: Snapshot, dimensions: Readonly<Record<string, string>>): object {
  const data: Datum[] = [];
  const logFields: Record<string, unknown> = {};
  for (const [key, definition] of Object.entries<MetricDefinition>(metricDefinitions)) {
    // The snapshot has the values of each kind by their keys.
    const values: Readonly<Record<string, unknown>> = snapshot[definition.kind];
    data.push(...createData(definition, values[key]));
    if (definition.logField !== undefined) logFields[definition.logField] = values[key];
  }
  return {
    _aws: {
      Timestamp: Date.now(),
      CloudWatchMetrics: [
        {
          Namespace: METRIC_NAMESPACE,
          Dimensions: [Object.keys(dimensions)],
          Metrics: data.map(({ Name, Unit }) => ({ Name, Unit })),
        },
      ],
    },
    ...dimensions,
    ...Object.fromEntries(data.map(({ Name, value }) => [Name, value])),
    // Not metrics: they cost nothing, and CloudWatch Logs Insights can query them.
    ...logFields,
  };
}

/** @param value a number, numbers by label or by percentile, or `undefined` if nothing was observed. */
function createData({ kind, cloudWatch }: MetricDefinition, value: unknown): readonly Datum[] {
  // Without an observation there is no datum: CloudWatch would show a zero as a very good time.
  if (cloudWatch === undefined || value === undefined) return [];
  const { name: Name, unit: Unit } = cloudWatch;
  if (typeof value === "number") return [{ Name, Unit, value: Unit === "Percent" ? value * 100 : value }];
  const parts = Object.entries(value as Readonly<Record<string, number>>);
  if (kind === "tally") return [{ Name, Unit, value: parts.reduce((sum, [, count]) => sum + count, 0) }];
  return parts.map(([percentile, ms]) => ({ Name: `${Name}${percentile.toUpperCase()}`, Unit, value: ms }));
}
