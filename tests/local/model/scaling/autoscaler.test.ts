import assert from "node:assert/strict";
import fc from "fast-check";
import type { DeclaredSchedule } from "../../../../local/model/scaling/declaredScaling.ts";
import { MINUTE_MS, type Minute, policy, run, scaling, START } from "./run.ts";

/** The connections of each minute, spread over the tasks that run. */
const connections =
  (totalOf: (minute: number) => number) =>
  (minute: number, tasks: number): Minute => ({ values: { connections: totalOf(minute) / tasks } });

const constant =
  (values: Minute["values"], others: Omit<Minute, "values"> = {}) =>
  (): Minute => ({
    values,
    ...others,
  });

const at = (minute: number, limits: Partial<DeclaredSchedule>): DeclaredSchedule => ({
  name: "morning",
  min: undefined,
  max: undefined,
  ...limits,
  schedule: {
    next: (after) => (after < START + minute * MINUTE_MS ? START + minute * MINUTE_MS : undefined),
  },
});

describe("the emulated autoscaler", () => {
  it("gives its reasons with the values and the counts", () => {
    const { reasons } = run(
      scaling({ policies: [policy({ scaleOutCooldownSeconds: 60 })] }),
      { minutes: 40, desired: 1 },
      connections((minute) => (minute <= 10 ? 14.4 : 1.2)),
    );
    assert.deepEqual(reasons, [
      "3: connections per task 14.4 > 5 for 3 min: 1 → 3 tasks",
      "25: connections per task 0.4 < 4.5 for 15 min: 3 → 1 task",
    ]);
    const cpu = [policy({ name: "cpu", metric: "CPU", target: 60 })];
    assert.deepEqual(
      run(scaling({ policies: cpu }), { minutes: 3, desired: 8 }, constant({ cpu: 78.25 })).reasons,
      ["3: CPU 78.3% > 60% for 3 min, which needs 11 tasks: 8 → 10 tasks"],
    );
  });

  /** Each case starts with `desired` tasks, and ends with the last of `counts`, of which equal ones are omitted. */
  interface Case {
    readonly title: string;
    readonly of: string;
    readonly declared?: Parameters<typeof scaling>[0];
    readonly desired: number;
    readonly minutes: number;
    readonly observe: (minute: number, tasks: number) => Minute;
    readonly counts: readonly number[];
  }

  const ECS = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-auto-scaling.html";
  const TRACKING =
    "https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html";
  const ROUNDING = "https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html";
  const STEPS =
    "https://docs.aws.amazon.com/autoscaling/application/userguide/step-scaling-policy-overview.html";
  const SCHEDULED =
    "https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-scheduled-scaling.html";
  const target50 = { policies: [policy({ target: 50 })] };
  const two = [policy(), policy({ name: "cpu", metric: "CPU", target: 60 })];

  const CASES: readonly Case[] = [
    {
      title: "adds two tasks if 1.5 would bring the metric to the target",
      of: ROUNDING,
      declared: target50,
      desired: 4,
      minutes: 3,
      observe: constant({ connections: (50 * 5.5) / 4 }),
      counts: [4, 6],
    },
    {
      title: "removes one task if the removal of 1.5 would bring the metric to the target",
      of: ROUNDING,
      declared: target50,
      desired: 4,
      minutes: 15,
      observe: constant({ connections: (50 * 2.5) / 4 }),
      counts: [4, 3],
    },
    {
      title: "removes no task if the metric is less than 10 % below the target",
      of: TRACKING,
      desired: 10,
      minutes: 60,
      observe: constant({ connections: 4.51 }),
      counts: [10],
    },
    {
      title: "adds one task to the two of a scale-out, if three are needed during its cooldown",
      of: STEPS,
      desired: 2,
      minutes: 7,
      // The two tasks run at once: 10 connections per task need 4 tasks, then 8.75 per task need 7, which is 3 more.
      observe: (minute, tasks) => ({ values: { connections: minute <= 3 ? 10 : 35 / tasks } }),
      counts: [2, 4, 5],
    },
    {
      title:
        "adds no task during the cooldown if the same number is needed, because the new tasks still start",
      of: ECS,
      desired: 2,
      minutes: 8,
      observe: constant({ connections: 10 }, { running: 2 }),
      counts: [2, 4],
    },
    {
      title: "adds tasks again after the cooldown",
      of: ECS,
      declared: { policies: [policy({ scaleOutCooldownSeconds: 120 })] },
      desired: 2,
      minutes: 5,
      observe: (minute, tasks) => ({ values: { connections: minute <= 3 ? 10 : 30 / tasks } }),
      counts: [2, 4, 6],
    },
    {
      title: "starts from the tasks that run, not from the desired count",
      of: ECS,
      declared: { policies: [policy({ scaleOutCooldownSeconds: 0 })] },
      desired: 2,
      minutes: 30,
      observe: constant({ connections: 12 }, { running: 2 }),
      counts: [2, 5],
    },
    {
      title: "removes tasks once during the cooldown of a scale-in",
      of: ECS,
      declared: { policies: [policy({ scaleInCooldownSeconds: 600 })] },
      desired: 10,
      minutes: 24,
      observe: constant({ connections: 4 }),
      counts: [10, 8],
    },
    {
      title: "removes tasks again after the cooldown of a scale-in",
      of: ECS,
      declared: { policies: [policy({ scaleInCooldownSeconds: 600 })] },
      desired: 10,
      minutes: 25,
      observe: constant({ connections: 4 }),
      counts: [10, 8, 7],
    },
    {
      title: "adds tasks during the cooldown of a scale-in",
      of: ECS,
      declared: { policies: [policy({ scaleInCooldownSeconds: 3600 })] },
      desired: 10,
      minutes: 18,
      observe: (minute) => ({ values: { connections: minute <= 15 ? 4 : 6 } }),
      counts: [10, 8, 10],
    },
    {
      title: "removes no tasks if the metric has no data",
      of: TRACKING,
      desired: 10,
      minutes: 60,
      observe: constant({}),
      counts: [10],
    },
    {
      title: "removes tasks if the load balancer reports no requests as 0",
      of: ROUNDING,
      declared: { policies: [policy({ name: "requests", metric: "requests per target" })] },
      desired: 10,
      minutes: 15,
      observe: constant({ requests: 0 }),
      counts: [10, 1],
    },
    {
      title: "removes no tasks during a deployment",
      of: ECS,
      desired: 10,
      minutes: 60,
      observe: constant({ connections: 0 }, { isDeploying: true }),
      counts: [10],
    },
    {
      title: "adds tasks during a deployment",
      of: ECS,
      desired: 1,
      minutes: 3,
      observe: constant({ connections: 10 }, { isDeploying: true }),
      counts: [1, 2],
    },
    {
      title: "adds tasks if one of two policies needs them",
      of: TRACKING,
      declared: { policies: two },
      desired: 2,
      minutes: 3,
      observe: constant({ connections: 10, cpu: 1 }),
      counts: [2, 4],
    },
    {
      title: "adds the larger number of two policies",
      of: TRACKING,
      declared: { policies: two },
      desired: 2,
      minutes: 3,
      observe: constant({ connections: 10, cpu: 90 }),
      counts: [2, 4],
    },
    {
      title: "removes tasks only if all policies agree",
      of: TRACKING,
      declared: { policies: two },
      desired: 10,
      minutes: 60,
      observe: constant({ connections: 1, cpu: 58 }),
      counts: [10],
    },
    {
      title: "removes the smaller number of two policies",
      of: TRACKING,
      declared: { policies: two },
      desired: 10,
      minutes: 15,
      observe: constant({ connections: 1, cpu: 42 }),
      counts: [10, 7],
    },
    {
      title: "asks policies that disable scale-in for no agreement",
      of: TRACKING,
      declared: {
        policies: [policy(), policy({ name: "cpu", metric: "CPU", target: 60, disableScaleIn: true })],
      },
      desired: 10,
      minutes: 15,
      observe: constant({ connections: 1, cpu: 58 }),
      counts: [10, 2],
    },
    {
      title: "raises a count below the minimum only when it adds tasks",
      of: ECS,
      declared: { min: 5 },
      desired: 2,
      minutes: 20,
      observe: (minute) => ({ values: { connections: minute <= 17 ? 1 : 6 } }),
      counts: [2, 5],
    },
    {
      title: "lowers a count above the maximum only when it removes tasks",
      of: ECS,
      declared: { max: 5 },
      desired: 8,
      minutes: 20,
      observe: (minute) => ({ values: { connections: minute <= 3 ? 100 : 4.4 } }),
      counts: [8, 5],
    },
    {
      title: "moves the count to the minimum of a scheduled action at once, and keeps it there",
      of: SCHEDULED,
      declared: { schedules: [at(20, { min: 6 })] },
      desired: 2,
      minutes: 60,
      observe: constant({ connections: 1 }),
      counts: [2, 1, 6],
    },
    {
      title: "moves the count to the maximum of a scheduled action at once",
      of: SCHEDULED,
      declared: { schedules: [at(2, { max: 3 })] },
      desired: 8,
      minutes: 10,
      observe: constant({ connections: 6 }),
      counts: [8, 3],
    },
    {
      title: "runs a scheduled action during a cooldown",
      of: TRACKING,
      declared: {
        policies: [policy({ scaleOutCooldownSeconds: 3600 })],
        schedules: [at(4, { min: 7, max: 20 })],
      },
      desired: 2,
      minutes: 5,
      observe: constant({ connections: 10 }, { running: 2 }),
      counts: [2, 4, 7],
    },
  ];

  for (const { title, of, declared, desired, minutes, observe, counts } of CASES) {
    it(`${title} (${of})`, () => {
      const found = [desired, ...run(scaling(declared), { minutes, desired }, observe).counts];
      assert.deepEqual(
        found.filter((count, minute) => count !== found[minute - 1]),
        counts,
      );
    });
  }

  describe("for every load", () => {
    const load = fc.array(fc.record({ connections: value(40), cpu: value(100) }, { requiredKeys: [] }), {
      minLength: 1,
      maxLength: 120,
    });
    const declaration = fc
      .record({
        min: fc.integer({ min: 1, max: 5 }),
        more: fc.integer({ min: 0, max: 30 }),
        desired: fc.nat(35),
      })
      .map(({ min, more, desired }) => ({
        min,
        max: min + more,
        desired: Math.min(min + more, min + desired),
      }));

    it("keeps the count within its limits, and never removes tasks while a metric is above its target", () => {
      fc.assert(
        fc.property(declaration, load, ({ min, max, desired }, minutes) => {
          const { counts, statuses } = run(
            scaling({ min, max, policies: two }),
            { minutes: minutes.length, desired },
            (minute) => ({ values: minutes[minute - 1] ?? {} }),
          );
          for (const [minute, count] of counts.entries()) {
            assert.ok(count >= min && count <= max, `${count} tasks are outside ${min} to ${max}`);
            if (count >= (counts[minute - 1] ?? desired)) continue;
            for (const { value, target, metric } of statuses[minute]?.policies ?? []) {
              assert.ok(value !== undefined && value <= target, `removed tasks with ${metric} at ${value}`);
            }
          }
        }),
      );
    });

    it("reaches a count that a constant load does not change, with the metric at most at the target", () => {
      fc.assert(
        fc.property(declaration, fc.nat(200), ({ min, max, desired }, total) => {
          const { counts } = run(
            scaling({ min, max }),
            { minutes: 600, desired },
            connections(() => total),
          );
          const steady = counts.at(-1) ?? 0;
          assert.ok(
            counts.slice(300).every((count) => count === steady),
            counts.slice(300).join(" "),
          );
          assert.ok(total / steady <= 5 || steady === max, `${total} connections on ${steady} tasks`);
        }),
        { numRuns: 30 },
      );
    });

    it("decides equally for equal inputs", () => {
      fc.assert(
        fc.property(declaration, load, ({ min, max, desired }, minutes) => {
          const again = () =>
            run(scaling({ min, max, policies: two }), { minutes: minutes.length, desired }, (minute) => ({
              values: minutes[minute - 1] ?? {},
            }));
          assert.deepEqual(again(), again());
        }),
        { numRuns: 20 },
      );
    });

    function value(max: number): fc.Arbitrary<number> {
      return fc.double({ min: 0, max, noNaN: true });
    }
  });
});
