/** The summary of a run: as data, and as text. */
import type { AffectedChannel, DeliveryCount } from "./deliveries.ts";
import type { RecordedMinute } from "./loadRecord.ts";
import type { Mode } from "./options.ts";
import { explain, type FailureCount } from "./parts/failures.ts";
import type { LatencyPercentiles } from "./parts/histogram.ts";
import { padCells } from "./parts/table.ts";

/** Affected channels of the summary as text. */
const MAX_CHANNEL_ROWS = 10;

/** Receives the progress of a run. */
export type OnProgress = (progress: {
  readonly part: "connections" | "messages";
  readonly done: number;
  readonly total: number;
  readonly failed: number;
}) => void;

/** The figures of a mode. */
export interface ModeResult {
  readonly connections: {
    readonly planned: number;
    readonly attempted: number;
    readonly connected: number;
    /** Connections that have resumed, because the server asked them to reconnect. */
    readonly moved: number;
    readonly connectMs: LatencyPercentiles | null;
    /** From the greeting to the answer of the last subscribe of a connection. */
    readonly subscribeMs: LatencyPercentiles | null;
  };
  /** `null` in a run without messages. */
  readonly messages: {
    readonly planned: number;
    readonly sent: number;
    /** Delay of this process: from the time at which a message was due to its sending. `roundTripMs` and `fanOutMs` include it. */
    readonly lagMs: LatencyPercentiles | null;
  } | null;
  readonly deliveries: DeliveryCount | null;
  readonly failures: readonly FailureCount[];
  /** What the clients did in each minute of the run. */
  readonly load: readonly RecordedMinute[];
}

/** The document of `--json`, without {@link shortfalls}. */
export interface LoadTestReport extends ModeResult {
  readonly mode: Mode;
  readonly url: string;
  /** Whether the server's certificate was checked, or the reason against it. */
  readonly certificate: "checked" | "not checked: loopback host" | "not checked: --insecure" | "none: ws://";
  readonly subscriptions: {
    /** Channels of all connections together. */
    readonly channels: number;
    readonly perConnection: number;
  };
  /** From the first connection to the end of the last one. */
  readonly seconds: number;
  /** Whether an interrupt ended the run. */
  readonly interrupted: boolean;
}

/** Whether the run has no failures and no {@link shortfalls}. */
export function hasSucceeded(report: LoadTestReport): boolean {
  return report.failures.length === 0 && shortfalls(report).length === 0;
}

/** Deliveries that did not arrive, and planned connections or messages that were not attempted; each with a suggestion. */
export function shortfalls({
  mode,
  interrupted,
  connections,
  messages,
  deliveries,
}: LoadTestReport): readonly string[] {
  const lines: string[] = [];
  if (deliveries !== null && deliveries.missing > 0) {
    lines.push(
      `Missing deliveries: ${count(deliveries.missing)}. ` +
        "A connection that fails misses later messages: the load test reconnects only if the server requests it. Tasks without " +
        "a shared backplane lose deliveries too: measure one task.",
    );
  }
  if (deliveries !== null && deliveries.duplicated > 0) {
    lines.push(`Duplicate deliveries: ${count(deliveries.duplicated)}.`);
  }
  if (deliveries !== null && deliveries.gaps > 0) {
    lines.push(
      `Gaps: ${count(deliveries.gaps)}. The server no longer had messages for connections that read too slowly or resumed.`,
    );
  }
  if (interrupted) return lines;
  if (connections.attempted < connections.planned) {
    lines.push(
      mode === "churn"
        ? "The rate was not reached: raise --concurrency, or lower --rate."
        : "Not all connections were opened within --duration: raise it, or lower --connections.",
    );
  }
  if (messages !== null && messages.sent < messages.planned) {
    lines.push(
      "Not all messages were sent: no connection was open, or this machine was too slow for --rate.",
    );
  }
  return lines;
}

/** The summary as text; ends with a newline. */
export function render(report: LoadTestReport): string {
  const { connections, subscriptions, messages, deliveries, failures } = report;
  const failed = connections.attempted - connections.connected;
  const sections = [
    [
      `${report.mode} against ${report.url}, ${report.seconds.toFixed(1)} s${report.interrupted ? ", interrupted" : ""}`,
    ],
    table([
      ["certificate", report.certificate],
      [
        "connections",
        `${count(connections.attempted)} of ${count(connections.planned)} attempted, ` +
          `${count(connections.connected)} connected, ${count(failed)} failed` +
          (connections.moved === 0 ? "" : `, ${count(connections.moved)} moved to another task`),
      ],
      ["channels", `${count(subscriptions.channels)}, ${count(subscriptions.perConnection)} per connection`],
      ...(messages === null
        ? []
        : [["messages", `${count(messages.sent)} of ${count(messages.planned)} sent`]]),
      ...(deliveries === null
        ? []
        : [
            [
              "deliveries",
              `${count(deliveries.expected)} expected, ${count(deliveries.received)} received, ` +
                `${count(deliveries.missing)} missing, ${count(deliveries.duplicated)} duplicated, ${count(deliveries.gaps)} gaps; ` +
                `${count(deliveries.foreign)} of other clients' messages`,
            ],
          ]),
    ]),
    table(
      [
        ["milliseconds", "count", "p50", "p90", "p99", "p99.9", "max"],
        percentileRow("connect", connections.connectMs),
        percentileRow("subscribe", connections.subscribeMs),
        ...(messages === null ? [] : [percentileRow("send lag", messages.lagMs)]),
        ...(deliveries === null
          ? []
          : [
              percentileRow("round trip", deliveries.roundTripMs),
              percentileRow("fan-out", deliveries.fanOutMs),
            ]),
      ],
      "right",
    ),
    affectedChannels(deliveries?.affected ?? []),
    failures.length === 0
      ? []
      : table([
          ["failures", "count"],
          ...failures.map((failure) => [
            `${failure.reason} ${failure.detail}`,
            count(failure.count),
            explain(failure),
          ]),
        ]),
    [...shortfalls(report), hasSucceeded(report) ? "Nothing failed." : "Something failed."],
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => `${lines.join("\n")}\n`)
    .join("\n");
}

function affectedChannels(affected: readonly AffectedChannel[]): readonly string[] {
  if (affected.length === 0) return [];
  const rows = affected
    .slice(0, MAX_CHANNEL_ROWS)
    .map(({ channel, missing, duplicated, gaps }) => [channel, ...[missing, duplicated, gaps].map(count)]);
  const rest = affected.length - rows.length;
  return [
    ...table([["channel", "missing", "duplicated", "gaps"], ...rows], "right"),
    ...(rest === 0 ? [] : [`and ${count(rest)} more channels`]),
  ];
}

function percentileRow(name: string, percentiles: LatencyPercentiles | null): string[] {
  if (percentiles === null) return [name, "0"];
  const { count: samples, p50, p90, p99, p99_9, max } = percentiles;
  return [name, count(samples), ...[p50, p90, p99, p99_9, max].map((value) => value.toFixed(2))];
}

function table(rows: readonly (readonly string[])[], others: "left" | "right" = "left"): string[] {
  return padCells(rows, others).map((cells) => cells.join("  ").trimEnd());
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}
