/** Results for people: Markdown, aligned so that a terminal shows it as well. */
import { baseOf, failureOf, summarize } from "./results.ts";
import type { CaseResult, Machine } from "./results.ts";
import type { Spread } from "./statistics.ts";

const GIB = 1024 ** 3;

export function renderMachine({ cpu, cpus, memoryBytes, system, node, pinned }: Machine): string {
  const where =
    pinned === null
      ? "server and generator share all CPUs: only the figures per server CPU-second can be compared"
      : `server on CPU ${pinned.server}, generator on CPU ${pinned.generator}`;
  return `${cpu}, ${cpus} CPUs, ${(memoryBytes / GIB).toFixed(1)} GiB, ${system}, Node ${node}; ${where}\n`;
}

/** What the rows are, said once: each contestant is known by one word. */
export function renderLegend(): string {
  return "naive: `ws` and `express` as most examples use them; socket.io: Socket.IO by WebSocket alone; this: this project's server.\n";
}

/** A table of one case: the median, and in parentheses the smallest and the largest value. */
export function renderCase(result: CaseResult): string {
  const { name, title, columns } = result.case;
  const base = baseOf(result)?.contestant ?? "";
  // A base alone is compared with nobody, and a system that tells nothing has no column.
  const shown = columns
    .map((column, index) => ({ ...column, index, ratio: column.ratio && result.results.length > 1 }))
    .filter(({ index }) =>
      result.results.some((_, row) => summarize(result, row)[index]?.values !== undefined),
    );
  const head =
    shown.length === 0
      ? ["", "result"]
      : ["", ...shown.flatMap((column) => [column.title, ...(column.ratio ? [`÷ ${base}`] : [])])];
  const rows = result.results.map((each, row) => {
    const failure = failureOf(each);
    if (failure !== undefined) {
      const said = failure.outcome === "void" ? `void: ${failure.reason}` : "not sustained";
      return [each.contestant, said, ...head.slice(2).map(() => "")];
    }
    const summaries = summarize(result, row);
    return [
      each.contestant,
      ...shown.flatMap(({ index, ratio, isFlag }) => {
        const summary = summaries[index];
        const render = isFlag === true ? renderFlag : renderSpread;
        return [render(summary?.values), ...(ratio ? [renderSpread(summary?.ratio)] : [])];
      }),
    ];
  });
  return `### ${name}: ${title}\n\n${table([head, ...rows])}`;
}

/** Of a repetition each: whether it was so in all of them. */
function renderFlag(values: Spread | undefined): string {
  return values === undefined ? "–" : values.min === 1 ? "yes" : "no";
}

/** `–` where there is nothing. */
function renderSpread(values: Spread | undefined): string {
  if (values === undefined) return "–";
  const { median, min, max } = values;
  return min === max
    ? renderNumber(median)
    : `${renderNumber(median)} (${renderNumber(min)}–${renderNumber(max)})`;
}

/** To three digits, with `k` and `M` for thousands and millions. */
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

/** A Markdown table; the first column to the left, the others to the right. */
function table([head = [], ...rows]: readonly (readonly string[])[]): string {
  const widths = head.map((_, column) =>
    Math.max(3, ...[head, ...rows].map((row) => (row[column] ?? "").length)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join(" | ")} |\n`;
  const rule = widths.map((width, column) =>
    column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`,
  );
  return [head, rule, ...rows].map(line).join("");
}
