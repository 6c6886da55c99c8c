import assert from "node:assert/strict";
import fc from "fast-check";
import { type HealthState, INITIAL_HEALTH, nextHealth } from "../../../local/model/health.ts";

describe("the emulated health", () => {
  const thresholds = { healthy: 3, unhealthy: 2 };
  const after = (results: readonly boolean[]): HealthState =>
    results.reduce((state, passed) => nextHealth(state, passed, thresholds), INITIAL_HEALTH);

  it("is healthy after the first success, and unhealthy or healthy again at the thresholds", () => {
    const cases: readonly (readonly [results: readonly boolean[], health: string])[] = [
      [[], "initial"],
      [[false], "initial"],
      [[true], "healthy"],
      [[true, false], "healthy"],
      [[true, false, false], "unhealthy"],
      [[true, false, false, true, true], "unhealthy"],
      [[true, false, false, true, true, true], "healthy"],
    ];
    for (const [results, health] of cases) assert.equal(after(results).health, health);
  });

  it("depends on the number of equal results at the end, for every history", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 20 }), (results) => {
        const tail = (value: boolean): number => results.length - 1 - results.lastIndexOf(!value);
        const { health } = after(results);
        if (tail(false) >= thresholds.unhealthy) assert.equal(health, "unhealthy");
        if (tail(true) >= thresholds.healthy) assert.equal(health, "healthy");
        assert.equal(health === "initial", !results.includes(true) && results.length < thresholds.unhealthy);
      }),
    );
  });
});
