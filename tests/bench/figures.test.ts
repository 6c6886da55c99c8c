import assert from "node:assert/strict";

import type { Case, Row } from "../../bench/case.ts";
import type { RunOutcome } from "../../bench/generator/runs.ts";
import { cpusOf } from "../../bench/pinning.ts";
import { differences, ratios, spread } from "../../bench/statistics.ts";
import { renderCase, renderNumber } from "../../bench/tables.ts";

describe("the benchmark's figures", () => {
  it("have a median, a minimum and a maximum", () => {
    assert.equal(spread([]), undefined);
    assert.deepEqual(spread([3]), { median: 3, min: 3, max: 3 });
    assert.deepEqual(spread([9, 1, 2]), { median: 2, min: 1, max: 9 });
    assert.deepEqual(spread([9, 1, 2, 3]), { median: 2.5, min: 1, max: 9 });
  });

  it("have ratios and differences by repetition", () => {
    assert.deepEqual(ratios([10, 40, 5], [5, 10, undefined]), [2, 4]);
    assert.deepEqual(ratios([1], [0]), []);
    assert.deepEqual(differences([10, 40, 5], [5, 0, undefined]), [5, 40]);
  });

  it("have three digits", () => {
    const rendered = [0.1234, 9.999, 12.34, 123.4, 1234, 12_345, 999_499, 1_234_567].map(renderNumber);
    assert.deepEqual(rendered, ["0.12", "10.0", "12.3", "123", "1234", "12.3k", "999k", "1.23M"]);
  });

  it("are replaced by the reason of a void run", () => {
    const measured = (speed: number): RunOutcome<Row> => ({ outcome: "measured", figures: { speed } });
    const example: Case = {
      name: "example",
      group: "fan-out",
      title: "an example",
      columns: [{ key: "speed", title: "speed", ratio: true }],
      measure: () => Promise.resolve(measured(0)),
    };
    const text = renderCase({
      case: example,
      results: [
        { contestant: "naive", runs: [measured(10), measured(20)] },
        {
          contestant: "socket.io",
          runs: [measured(10), { outcome: "void", reason: "a message came twice" }],
        },
        { contestant: "this", runs: [measured(30), measured(80)] },
      ],
    });
    assert.match(text, /^\| naive +\| +15 \(10–20\) \| +1 \|$/m);
    assert.match(text, /^\| socket.io \| void: a message came twice \| +\|$/m);
    assert.match(text, /^\| this +\| +55 \(30–80\) \| 3.50 \(3–4\) \|$/m);
  });

  it("are compared between the dialects, and with another checkout", () => {
    const measured = (speed: number): RunOutcome<Row> => ({ outcome: "measured", figures: { speed } });
    const text = renderCase({
      case: {
        name: "example",
        group: "fan-out",
        title: "an example",
        columns: [{ key: "speed", title: "speed", ratio: true }],
        measure: () => Promise.resolve(measured(0)),
      },
      results: [
        { contestant: "this", runs: [measured(9), measured(16)] },
        { contestant: "this, plain", runs: [measured(10), measured(20)] },
        { contestant: "base, plain", runs: [measured(5), measured(10)] },
      ],
    });
    assert.match(text, /^\| this, plain \| +15 \(10–20\) \|$/m);
    assert.match(text, /^- this ÷ this, plain: speed 0.85 \(0.80–0.90\)$/m);
    assert.match(text, /^- this, plain ÷ base, plain: speed 2$/m);
  });

  it("use the CPUs of this process", () => {
    assert.deepEqual(cpusOf("0-2,7"), [0, 1, 2, 7]);
    assert.deepEqual(cpusOf(""), []);
  });
});
