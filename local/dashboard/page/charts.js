// A small line chart of a metric with its target.
/* global document */

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 240;
const HEIGHT = 56;
/** Data points across the whole width. */
const POINTS = 60;
/** Space above the highest value, as a share of it. */
const HEADROOM = 0.15;

/** Creates an empty chart. */
export function createChart() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.classList.add("chart");
  const area = append(svg, "path", "area");
  const target = append(svg, "line", "target");
  target.setAttribute("x1", 0);
  target.setAttribute("x2", WIDTH);
  const line = append(svg, "path", "line");
  return { svg, area, target, line, text: "" };
}

/** Draws the values, oldest first, if they have changed. */
export function drawChart(chart, values, target, label) {
  const text = `${values.join()} ${target}`;
  if (chart.text === text) return;
  chart.text = text;
  const top = Math.max(target, ...values) * (1 + HEADROOM) || 1;
  const y = (value) => (HEIGHT * (1 - value / top)).toFixed(1);
  const x = (index) => ((WIDTH * (POINTS - values.length + index)) / (POINTS - 1)).toFixed(1);
  const points = values.map((value, index) => `${x(index)},${y(value)}`);
  chart.line.setAttribute("d", points.length > 0 ? `M${points.join("L")}` : "");
  chart.area.setAttribute(
    "d",
    points.length > 0 ? `M${x(0)},${HEIGHT}L${points.join("L")}L${WIDTH},${HEIGHT}Z` : "",
  );
  for (const end of ["y1", "y2"]) chart.target.setAttribute(end, y(target));
  chart.svg.setAttribute("aria-label", label);
}

function append(parent, name, className) {
  const element = document.createElementNS(SVG, name);
  element.classList.add(className);
  parent.append(element);
  return element;
}
