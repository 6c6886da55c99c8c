/** Results as Markdown tables, aligned for a terminal. */
import { padCells } from "../load-test/parts/table.ts";
import { baseOf, compareOwn, failureOf, hasRatios, summarize } from "./results.ts";
import type { CaseResult, Machine } from "./results.ts";
import type { Spread } from "./statistics.ts";

const GIB = 1024 ** 3;

export function renderMachine({ cpu, cpus, memoryBytes, system, node, pinned }: Machine): string {
  const placement =
    pinned === null
      ? "server and generator share all CPUs: only the figures per server CPU-second can be compared"
      : `server on CPU ${pinned.server}, generator on CPU ${pinned.generator}`;
  return `${cpu}, ${cpus} CPUs, ${(memoryBytes / GIB).toFixed(1)} GiB, ${system}, Node ${node}; ${placement}\n`;
}

/** Explains the names of the rows. */
export function renderLegend(): string {
  return (
    "naive: `ws` and `express` as most examples use them; socket.io: Socket.IO by WebSocket alone; this: this project's server with " +
    "the dialect `channels.v1`; this, plain: with the plain dialect; base: the server of the other checkout; " +
    "direct, haproxy, local: this project's server without a proxy, behind HAProxy, behind the local edge and load balancer.\n"
  );
}

/** A table of one case: the median, and in parentheses the smallest and the largest value. */
export function renderCase(result: CaseResult): string {
  const { name, title, columns } = result.case;
  const base = baseOf(result)?.contestant ?? "";
  // A single contestant has no ratios. A figure that the system does not report has no column.
  const shown = columns
    .map((column, index) => ({
      ...column,
      index,
      ratio: column.ratio && hasRatios(result),
      difference: column.difference === true && hasRatios(result),
    }))
    .filter(({ index }) =>
      result.results.some((_, row) => summarize(result, row)[index]?.values !== undefined),
    );
  const head =
    shown.length === 0
      ? ["", "result"]
      : [
          "",
          ...shown.flatMap((column) => [
            column.title,
            ...(column.ratio ? [`÷ ${base}`] : []),
            ...(column.difference ? [`− ${base}`] : []),
          ]),
        ];
  const rows = result.results.map((each, row) => {
    const failure = failureOf(each);
    if (failure !== undefined) {
      const text = failure.outcome === "void" ? `void: ${failure.reason}` : "not sustained";
      return [each.contestant, text, ...head.slice(2).map(() => "")];
    }
    const summaries = summarize(result, row);
    return [
      each.contestant,
      ...shown.flatMap(({ index, ratio, difference, isFlag }) => {
        const summary = summaries[index];
        const render = isFlag === true ? renderFlag : renderSpread;
        return [
          render(summary?.values),
          ...(ratio ? [renderSpread(summary?.ratio)] : []),
          ...(difference ? [renderSpread(summary?.difference)] : []),
        ];
      }),
    ];
  });
  return `### ${name}: ${title}\n\n${table([head, ...rows])}${renderComparisons(result)}`;
}

function renderComparisons(result: CaseResult): string {
  const lines = compareOwn(result).map(({ contestant, base, ratios }) => {
    const texts = ratios.map(({ title, ratio }) => `${title} ${renderSpread(ratio)}`);
    return `- ${contestant} ÷ ${base}: ${texts.join("; ")}\n`;
  });
  return lines.length === 0 ? "" : `\n${lines.join("")}`;
}

/** `yes` if the flag was set in all repetitions. */
function renderFlag(values: Spread | undefined): string {
  return values === undefined ? "–" : values.min === 1 ? "yes" : "no";
}

/** `–` without values. */
function renderSpread(values: Spread | undefined): string {
  if (values === undefined) return "–";
  const { median, min, max } = values;
  return min === max
    ? renderNumber(median)
    : `${renderNumber(median)} (${renderNumber(min)}–${renderNumber(max)})`;
}

/** Three digits, with `k` and `M` for thousands and millions. */
export function renderNumber(value: number): string {
  const size = Math.abs(value);
  if (size >= 999_500) return `${threeDigits(value / 1e6)}M`;
  if (size >= 9995) return `${threeDigits(value / 1e3)}k`;
  return size >= 999.5 ? value.toFixed(0) : threeDigits(value);
}

function threeDigits(value: number): string {
  const size = Math.abs(value);
  return Number.isInteger(value) ? String(value) : value.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2);
}

/** A Markdown table whose first row is the head. */
export function table(rows: readonly (readonly string[])[]): string {
  const [head = [], ...rest] = padCells(rows, "right", 3);
  const rule = head.map(({ length }, column) =>
    column === 0 ? "-".repeat(length) : `${"-".repeat(length - 1)}:`,
  );
  return [head, rule, ...rest].map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}
