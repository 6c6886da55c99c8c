/** A chart of text. */
import { axisEnd, formatCount, formatTime, valuesOfSpans, type Series } from "./series.ts";

/** Fills of a cell, in eighths of its height. */
const FILLS = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"] as const;
const EIGHTHS = 8;
const MARK = "┄";
const LABEL_WIDTH = 8;
/** Positions of the labels on the axis of time, as shares of its length. */
const TIMES = [0, 0.5, 1];

export interface ChartSize {
  /** Columns of a line, including its label. */
  readonly width: number;
  readonly height: number;
}

/** @param end the value at the top. @default the first round value that shows all of them */
export function renderChart(
  series: Series,
  { width, height }: ChartSize,
  end = axisEnd([series]),
): readonly string[] {
  const { title, values, mark } = series;
  const columns = width - LABEL_WIDTH - 2;
  const shown = stretch(valuesOfSpans(series, columns), columns);
  const markRow = mark === undefined ? undefined : Math.round((mark.value / end) * height) - 1;
  const rows = Array.from({ length: height }, (_, index) => {
    const row = height - 1 - index;
    const cells = shown.map((value) => {
      const eighths = Math.round((value / end) * height * EIGHTHS) - row * EIGHTHS;
      const fill = FILLS[Math.min(EIGHTHS, Math.max(0, eighths))] ?? " ";
      return fill === " " && row === markRow ? MARK : fill;
    });
    const label = index === 0 ? formatCount(end) : row === markRow ? formatCount(mark?.value ?? 0) : "";
    return `${label.padStart(LABEL_WIDTH)} │${cells.join("")}`;
  });
  const marked = mark === undefined ? "" : ` (${MARK} ${mark.label})`;
  return [
    `${title}${marked}`,
    ...rows,
    `${"0".padStart(LABEL_WIDTH)} └${"─".repeat(columns)}`,
    `${" ".repeat(LABEL_WIDTH + 2)}${renderTimes(values.length, columns)}`,
  ];
}

function renderTimes(minutes: number, columns: number): string {
  return TIMES.reduce((line, share) => {
    const label = formatTime(Math.round(minutes * share));
    const start =
      Math.round(columns * share) - (share === 0 ? 0 : share === 1 ? label.length : label.length / 2);
    return line.padEnd(Math.floor(start)) + label;
  }, "");
}

/** Repeats values so that there are `count`. */
function stretch(values: readonly number[], count: number): readonly number[] {
  return Array.from(
    { length: count },
    (_, column) => values[Math.floor((column * values.length) / count)] ?? 0,
  );
}

/** Places texts side by side, with two columns between them. */
export function sideBySide(texts: readonly (readonly string[])[], width: number): readonly string[] {
  const height = Math.max(...texts.map((lines) => lines.length));
  return Array.from({ length: height }, (_, line) =>
    texts
      .map((lines) => (lines[line] ?? "").padEnd(width))
      .join("  ")
      .trimEnd(),
  );
}
