import assert from "node:assert/strict";
import fc from "fast-check";
import { monthlyCost } from "../../simulate/cost.ts";
import { loadOf, PROFILE_NAMES } from "../../simulate/load/profiles.ts";
import { simulate, START } from "../../simulate/simulation.ts";
import { usualPeak } from "../../simulate/stack.ts";
import { loadOfMinutes, QUIET, resultOf, stackWith } from "./support.ts";

describe("the simulation", () => {
  const repeat = <T>(value: T, count: number): readonly T[] => new Array<T>(count).fill(value);
  const reasons = (result: ReturnType<typeof resultOf>): readonly string[] =>
    result.simulation.minutes.flatMap(({ minute, reason }) =>
      reason === undefined ? [] : `${minute + 1}: ${reason}`,
    );

  it("adds tasks for a spike, and removes them after it", () => {
    const arriving = repeat({ connects: 60, disconnects: 0, messages: 0 }, 10);
    const leaving = repeat({ connects: 0, disconnects: 60, messages: 0 }, 9);
    const result = resultOf(
      loadOfMinutes([...arriving, ...repeat(QUIET, 30), ...leaving, ...repeat(QUIET, 60)], 50),
    );
    assert.deepEqual(reasons(result), [
      "3: connections per task 200 > 100 for 3 min: 1 → 2 tasks",
      "4: connections per task 115 > 100 for 3 min: 2 → 3 tasks",
      "5: connections per task 116.7 > 100 for 3 min: 3 → 4 tasks",
      "6: connections per task 102.5 > 100 for 3 min: 4 → 5 tasks",
      "10: connections per task 130 > 100 for 3 min: 5 → 7 tasks",
      "55: connections per task 15.7 < 90 for 15 min: 7 → 2 tasks",
    ]);
    assert.deepEqual(
      [result.summary.scaleOuts, result.summary.scaleIns, result.summary.minTasks, result.summary.maxTasks],
      [5, 1, 1, 7],
    );
  });

  it("counts refused clients, which try again until a task has room", () => {
    const { summary, simulation } = resultOf(
      loadOfMinutes([{ connects: 300, disconnects: 0, messages: 0 }, ...repeat(QUIET, 20)]),
    );
    assert.equal(simulation.minutes[0]?.waiting, 100);
    assert.equal(simulation.minutes.at(-1)?.waiting, 0);
    assert.equal(simulation.minutes.at(-1)?.connections, 300);
    assert.ok(summary.refused > 100, "clients are refused repeatedly");
    assert.ok(summary.minutesAboveCapacity >= 3, "the minutes until the scale-out are above the capacity");
  });

  it("runs scheduled actions at their time, which starts on a Monday", () => {
    assert.equal(new Date(START).toUTCString().slice(0, 3), "Mon");
    const { scaling } = stackWith();
    const morning = START + 30 * 60_000;
    const schedule = { next: (after: number) => (after < morning ? morning : undefined) };
    const stack = stackWith({
      scaling: { ...scaling, schedules: [{ name: "morning", schedule, min: 4, max: undefined }] },
    });
    assert.deepEqual(reasons(resultOf(loadOfMinutes(repeat(QUIET, 60)), stack)), [
      "30: scheduled action morning, 4 to 10 tasks: 1 → 4 tasks",
    ]);
  });

  it("neither loses nor invents clients, for every load", () => {
    const minute = fc.record({ connects: fc.nat(400), disconnects: fc.nat(100), messages: fc.nat(1000) });
    fc.assert(
      fc.property(fc.array(minute, { minLength: 1, maxLength: 90 }), (minutes) => {
        let most = 0;
        let fewest = 0;
        for (const [at, { connections, waiting }] of simulate(
          stackWith(),
          loadOfMinutes(minutes),
        ).minutes.entries()) {
          const { connects = 0, disconnects = 0 } = minutes[at] ?? {};
          most += connects;
          // Clients that do not exist cannot leave.
          fewest = Math.max(0, fewest + connects - disconnects);
          assert.ok(connections + waiting <= most + 1e-6 && connections + waiting >= fewest - 1e-6);
          most = connections + waiting;
          fewest = most;
        }
      }),
      { numRuns: 50 },
    );
  });

  for (const name of PROFILE_NAMES) {
    it(`needs less than a second for a day of ${name}, and ends with all clients connected`, () => {
      const stack = stackWith();
      const load = loadOf(name, usualPeak(stack));
      const startedAt = performance.now();
      const { simulation } = resultOf(load, stack);
      const days = load.minutes.length / (24 * 60);
      assert.ok(performance.now() - startedAt < 1000 * Math.max(1, days));
      assert.equal(simulation.minutes.at(-1)?.waiting, 0);
    });
  }

  it("computes the cost that the README has for a task without load", () => {
    const cost = monthlyCost(stackWith().deployment, resultOf(loadOfMinutes(repeat(QUIET, 60))).simulation);
    assert.deepEqual(
      [cost.tasks, cost.loadBalancer, cost.publicAddresses, cost.backplane, cost.total].map(Math.round),
      [29, 16, 11, 6, 62],
    );
  });

  it("charges a capacity unit for 25 new connections a second, or 3,000 open ones", () => {
    const costOf = (upgrades: number, connections: number): number => {
      const [minute] = simulate(stackWith(), loadOfMinutes([QUIET])).minutes;
      assert.ok(minute !== undefined);
      return monthlyCost(stackWith().deployment, {
        taskHours: 1 / 60,
        minutes: [{ ...minute, upgrades, connections }],
      }).loadBalancer;
    };
    assert.deepEqual(
      [costOf(0, 0), costOf(25 * 60, 0), costOf(0, 3000), costOf(50 * 60, 3000)].map((cost) =>
        cost.toFixed(2),
      ),
      ["16.43", "22.27", "22.27", "28.11"],
    );
  });
});
