import assert from "node:assert/strict";

import fc from "fast-check";

import { LatencyHistogram } from "../../../load-test/parts/histogram.ts";

describe("the histogram of the load test", () => {
  it("is exact to 0.1 %", () => {
    const duration = fc.double({ min: 0.001, max: 3_600_000, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(duration, { minLength: 1 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (durations, fraction) => {
          const histogram = new LatencyHistogram();
          for (const each of durations) histogram.record(each);
          const rank = Math.max(1, Math.ceil(fraction * durations.length));
          const exact = durations.toSorted((a, b) => a - b)[rank - 1] ?? NaN;
          const found = histogram.quantile(fraction) ?? NaN;
          // The resolution is a microsecond.
          assert.ok(found <= exact && found >= exact * 0.999 - 0.001, `${found} for ${exact}`);
        },
      ),
    );
  });

  it("has percentiles if it has durations", () => {
    const histogram = new LatencyHistogram();
    assert.equal(histogram.percentiles(), null);
    assert.equal(histogram.quantile(0.5), undefined);
    for (let milliseconds = 1; milliseconds <= 8; milliseconds++) histogram.record(milliseconds / 1000);
    assert.deepEqual(histogram.percentiles(), {
      ...{ count: 8, p50: 0.004, p90: 0.008, p99: 0.008, p99_9: 0.008, max: 0.008 },
    });
  });
});
