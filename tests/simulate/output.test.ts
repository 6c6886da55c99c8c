import assert from "node:assert/strict";
import { loadOf } from "../../simulate/load/profiles.ts";
import { renderChart } from "../../simulate/output/chart.ts";
import { renderJson } from "../../simulate/output/json.ts";
import { axisEnd, formatTime, type Series, valuesOfSpans } from "../../simulate/output/series.ts";
import { renderSvg } from "../../simulate/output/svg.ts";
import { renderText } from "../../simulate/output/text.ts";
import { resultOf, stackWith } from "./support.ts";

describe("the output of a simulation", () => {
  const load = loadOf("launch-spike", 700);
  const one = [resultOf(load)];
  const long = `prod scheduledScaling=["${"cron(0 8 ? * MON-FRI *) 4-20 Europe/Berlin".repeat(3)}"]`;
  const two = [...one, resultOf(load, stackWith({ name: "<other> & more" }))];

  const seriesOf = (values: readonly number[]): Series => ({
    title: "tasks",
    values,
    ofSpan: (span) => Math.max(...span),
    mark: undefined,
  });

  it("draws a chart of text", () => {
    const series = { ...seriesOf([0, 1, 2, 3, 4, 5, 6, 8]), mark: { label: "target", value: 4 } };
    assert.deepEqual(renderChart(series, { width: 26, height: 4 }), [
      "tasks (┄ target)",
      "       8 │              ██",
      "         │          ▄▄████",
      "       4 │┄┄┄┄┄┄▄▄████████",
      "         │  ▄▄████████████",
      "       0 └────────────────",
      "          0 h  4 min 8 min",
    ]);
  });

  it("has times in minutes or hours", () => {
    assert.deepEqual([0, 40, 60, 160, 1445].map(formatTime), ["0 h", "40 min", "1 h", "2:40 h", "24:05 h"]);
  });

  it("has one value for each span of minutes", () => {
    const spansOf = (...values: readonly number[]) => valuesOfSpans(seriesOf(values), 3);
    assert.deepEqual(spansOf(1, 9, 1, 1, 2, 1, 1), [9, 1, 2]);
    assert.deepEqual(spansOf(1, 9), [1, 9]);
  });

  it("ends axes at round numbers that show every value", () => {
    const ends = [0, 1, 3, 21, 26, 99, 100, 20_000].map((value) => axisEnd([seriesOf([value])]));
    assert.deepEqual(ends, [1, 1, 5, 25, 50, 100, 100, 20_000]);
  });

  it("has at most 80 columns, for one stack and for two", () => {
    for (const results of [one, two]) {
      const text = renderText(load, results);
      const tooLong = text.split("\n").filter((line) => line.length > 80);
      assert.deepEqual(tooLong, []);
      assert.match(text, /launch-spike, 6 h, at most 699 clients/);
      assert.match(text, /01:\d\d {2}connections per task .* > 100 for 3 min: 1 → \d tasks/);
    }
  });

  it("is complete as JSON", () => {
    const { stacks } = JSON.parse(renderJson(load, two)) as {
      readonly stacks: readonly { readonly name: string; readonly minutes: readonly object[] }[];
    };
    assert.deepEqual(
      stacks.map(({ name, minutes }) => [name, minutes.length]),
      [
        ["test", 360],
        ["<other> & more", 360],
      ],
    );
  });

  it("has a line for each stack as SVG, and escapes names", () => {
    const svg = renderSvg(load, two);
    assert.equal(svg.match(/class="line (?:first|second)" d="M70 [\d.]+[HV]/g)?.length, 4);
    assert.match(svg, /<text [^>]*>&#60;other&#62; &#38; more<\/text>/);
    assert.doesNotMatch(svg, /NaN|undefined|<other>/);
  });

  it("shortens a long name in a chart, and above the figures", () => {
    const results = [...one, resultOf(load, stackWith({ name: long }))];
    const lines = renderText(load, results).split("\n");
    assert.equal(lines.find((line) => line.startsWith("test  "))?.length, 80);
    assert.ok(
      lines.some((line) => /^ +test +prod scheduledScaling=\["cro…$/.test(line)),
      lines.join("\n"),
    );
    assert.match(renderSvg(load, results), />prod scheduledScaling=\[&#34;cron[^<]{19}…<\/text>/);
  });
});
