/** The summary of a run: as data, and as tables for people. */
import type { DeliveryCount } from "./deliveries.ts";
import { explain, type FailureCount } from "./failures.ts";
import type { Percentiles } from "./latencies.ts";
import type { Mode } from "./options.ts";

/** What a mode finds out. */
export interface Outcome {
  readonly connections: {
    readonly planned: number;
    readonly attempted: number;
    readonly connected: number;
    readonly connectMs: Percentiles | null;
  };
  /** `null` in a run that sends none. */
  readonly messages: {
    readonly planned: number;
    readonly sent: number;
    /** How much later than due this process sent them; a part of `roundTripMs` and `fanOutMs`. */
    readonly lagMs: Percentiles | null;
  } | null;
  readonly deliveries: DeliveryCount | null;
  readonly failures: readonly FailureCount[];
}

/** The document of `--json`, beside {@link shortfalls}. */
export interface Report extends Outcome {
  readonly mode: Mode;
  readonly url: string;
  /** Whether the server's certificate was checked, and if not, why. */
  readonly certificate: "checked" | "not checked: loopback host" | "not checked: --insecure" | "none: ws://";
  /** From the first connection to the end of the last one. */
  readonly seconds: number;
  /** Whether the run was ended before its time. */
  readonly interrupted: boolean;
}

/** Whether nothing failed: no connection, no delivery, and nothing left out but by an interrupt. */
export function succeeded(report: Report): boolean {
  return report.failures.length === 0 && shortfalls(report).length === 0;
}

/** What the run did not get to and what did not arrive, each with what to do about it. */
export function shortfalls({
  mode,
  interrupted,
  connections,
  messages,
  deliveries,
}: Report): readonly string[] {
  const lines: string[] = [];
  if (deliveries !== null && deliveries.missing > 0) {
    lines.push(
      `${count(deliveries.missing)} deliveries are missing. ` +
        "A connection that was closed misses what came meanwhile: these do not resume, as the client does. Tasks that do " +
        "not share their messages show it too: measure with one.",
    );
  }
  if (deliveries !== null && deliveries.duplicated > 0) {
    lines.push(`${count(deliveries.duplicated)} came more than once.`);
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
      "Not all messages were sent: no connection was left, or this machine was too slow for --rate.",
    );
  }
  return lines;
}

/** The summary for people; ends with a newline. */
export function render(report: Report): string {
  const { connections, messages, deliveries, failures } = report;
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
          `${count(connections.connected)} connected, ${count(failed)} failed`,
      ],
      ...(messages === null
        ? []
        : [["messages", `${count(messages.sent)} of ${count(messages.planned)} sent`]]),
      ...(deliveries === null
        ? []
        : [
            [
              "deliveries",
              `${count(deliveries.expected)} expected, ${count(deliveries.received)} received, ` +
                `${count(deliveries.missing)} missing, ${count(deliveries.duplicated)} duplicated; ` +
                `${count(deliveries.foreign)} of other people's messages`,
            ],
          ]),
    ]),
    table(
      [
        ["milliseconds", "count", "p50", "p90", "p99", "p99.9", "max"],
        percentileRow("connect", connections.connectMs),
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
    [...shortfalls(report), succeeded(report) ? "Nothing failed." : "Something failed."],
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => `${lines.join("\n")}\n`)
    .join("\n");
}

function percentileRow(name: string, percentiles: Percentiles | null): string[] {
  if (percentiles === null) return [name, "0"];
  const { count: samples, p50, p90, p99, p99_9, max } = percentiles;
  return [name, count(samples), ...[p50, p90, p99, p99_9, max].map((value) => value.toFixed(2))];
}

/** Rows as lines of aligned columns; the first column to the left, the others as asked. */
function table(rows: readonly (readonly string[])[], others: "left" | "right" = "left"): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    }
  }
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column > 0 && others === "right" ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd(),
  );
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}
