/** The results as an SVG of two charts, for light and dark pages. */
import type { Load } from "../load/load.ts";
import type { Result } from "../summary.ts";
import {
  axisEnd,
  connectionsSeries,
  formatCount,
  formatTime,
  valuesOfSpans,
  type Series,
  shorten,
  tasksSeries,
} from "./series.ts";

const WIDTH = 860;
const CHART = { left: 70, width: 760, height: 180, gap: 70 } as const;
const TOP = 90;
const HEIGHT = TOP + 2 * (CHART.height + CHART.gap);
/** Lines of the scale, besides zero. */
const SCALE_LINES = 4;
const TIME_LABELS = 6;
/** Characters that fit. */
const MAX_TITLE = 80;
const MAX_KEY = 48;

const STYLE = `
  svg { background: #fff; color: #1b1f24; font: 13px system-ui, sans-serif; }
  text { fill: currentColor; }
  .title { font-size: 16px; font-weight: 600; }
  .scale { stroke: #d0d7de; }
  .mark { stroke-dasharray: 5 4; }
  .line, .mark { fill: none; stroke-width: 2; }
  .first { stroke: #0969da; stroke-width: 4; }
  .second { stroke: #bc4c00; }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117; color: #e6edf3; }
    .scale { stroke: #30363d; }
    .first { stroke: #58a6ff; }
    .second { stroke: #f0883e; }
  }`;

const CLASSES = ["first", "second"] as const;

export function renderSvg({ name, minutes }: Load, results: readonly Result[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-labelledby="title">
<title id="title">${escape(`Simulation of ${[name, ...results.map(({ stack }) => stack.name)].join(", ")}`)}</title>
<style>${STYLE}
</style>
<text class="title" x="${CHART.left}" y="24">${escape(shorten(name, MAX_TITLE))}</text>
${results.map(({ stack }, at) => renderKey(stack.name, at)).join("\n")}
${renderChart(results.map(tasksSeries), minutes.length, TOP)}
${renderChart(results.map(connectionsSeries), minutes.length, TOP + CHART.height + CHART.gap)}
</svg>
`;
}

/** Which line is which stack. */
function renderKey(name: string, at: number): string {
  const x = CHART.left + (at * CHART.width) / 2;
  return `<path class="line ${classOf(at)}" d="M${x} 42h24"/><text x="${x + 32}" y="46">${escape(shorten(name, MAX_KEY))}</text>`;
}

function renderChart(all: readonly Series[], minutes: number, top: number): string {
  const end = axisEnd(all);
  const bottom = top + CHART.height;
  const yOf = (value: number): number => round(bottom - (value / end) * CHART.height);
  const scale = Array.from({ length: SCALE_LINES + 1 }, (_, line) => {
    const value = (end * line) / SCALE_LINES;
    const label = Number.isInteger(value) ? formatCount(value) : String(value);
    return (
      `<path class="scale" d="M${CHART.left} ${yOf(value)}h${CHART.width}"/>` +
      `<text x="${CHART.left - 8}" y="${yOf(value) + 4}" text-anchor="end">${label}</text>`
    );
  });
  const times = Array.from({ length: TIME_LABELS + 1 }, (_, label) => {
    const x = round(CHART.left + (CHART.width * label) / TIME_LABELS);
    const time = formatTime(Math.round((minutes * label) / TIME_LABELS));
    return `<text x="${x}" y="${bottom + 20}" text-anchor="middle">${time}</text>`;
  });
  const lines = all.map((series, at) => {
    const shown = valuesOfSpans(series, CHART.width);
    const steps = shown.map((value, column) => {
      const x = round(CHART.left + (CHART.width * column) / shown.length);
      return column === 0 ? `M${x} ${yOf(value)}` : `H${x}V${yOf(value)}`;
    });
    return `<path class="line ${classOf(at)}" d="${steps.join("")}H${CHART.left + CHART.width}"/>`;
  });
  const marks = all.flatMap(({ mark }, at) =>
    mark === undefined
      ? []
      : `<path class="mark ${classOf(at)}" d="M${CHART.left} ${yOf(mark.value)}h${CHART.width}"/>`,
  );
  const [first] = all;
  const marked = first?.mark === undefined ? "" : ` (dashed: ${first.mark.label})`;
  return [
    `<text x="${CHART.left}" y="${top - 10}">${escape(`${first?.title ?? ""}${marked}`)}</text>`,
    ...scale,
    ...times,
    ...marks,
    ...lines,
  ].join("\n");
}

function classOf(at: number): string {
  return CLASSES[at % CLASSES.length] ?? CLASSES[0];
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
