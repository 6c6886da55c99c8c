import assert from "node:assert/strict";
import fc from "fast-check";
import {
  chooseZone,
  type ScheduledTask,
  scheduleTasks,
  type ServiceState,
} from "../../../../local/model/deployment/schedule.ts";

const ROLLING = { minimumHealthyPercent: 100, maximumPercent: 200 };
const STOP_FIRST = { minimumHealthyPercent: 0, maximumPercent: 100 };
const STATES = { h: "healthy", s: "starting", u: "unhealthy", x: "stopping" } as const;

/** Tasks such as `1h 2s`: the revision and the first letter of the state; the ids are a, b, c… */
function tasksOf(text: string): readonly ScheduledTask[] {
  return text
    .split(" ")
    .filter((word) => word !== "")
    .map(([revision = "", state = ""], index) => ({
      id: String.fromCharCode(97 + index),
      revision: Number(revision),
      state: STATES[state as keyof typeof STATES], // The words of the cases below.
      zone: 0,
    }));
}

function decide(tasks: string, desiredCount: number, changes: Partial<ServiceState> = {}): string {
  const { start, stop } = scheduleTasks({
    desiredCount,
    percentages: ROLLING,
    revision: 2,
    canStart: true,
    tasks: tasksOf(tasks),
    ...changes,
  });
  return [`start ${start}`, ...stop.map((id) => `stop ${id}`)].join(", ");
}

describe("the scheduler", () => {
  const half = { minimumHealthyPercent: 50, maximumPercent: 100 };
  const cases: readonly (readonly [string, string, number, string, Partial<ServiceState>?])[] = [
    ["starts the desired count", "", 3, "start 3"],
    ["does nothing if the desired count is healthy", "2h 2h", 2, "start 0"],
    ["waits for tasks that start", "2s 2h", 2, "start 0"],
    ["replaces a task that has ended", "2h", 2, "start 1"],
    ["starts no task of a failed deployment", "2u", 2, "start 0", { canStart: false }],

    ["starts the replacement of an unhealthy task first", "2u", 1, "start 1"],
    ["stops the unhealthy task when its replacement is healthy", "2u 2h", 1, "start 0, stop a"],
    ["keeps it while its replacement starts", "2u 2s", 1, "start 0"],
    ["stops one of two if the replacement is unhealthy too", "2u 2u", 1, "start 0, stop a"],
    [
      "stops an unhealthy task first if there is no room",
      "2h 2u",
      2,
      "start 0, stop b",
      { percentages: STOP_FIRST },
    ],
    ["frees room for one at a time", "2u 2u", 2, "start 0, stop a", { percentages: STOP_FIRST }],
    ["waits for the end of its process then", "2x 2u", 2, "start 0", { percentages: STOP_FIRST }],
    ["keeps a recovered task, and stops one of its surplus", "2h 2h", 1, "start 0, stop a"],

    ["deploys beside the old tasks", "1h 1h", 2, "start 2"],
    ["stops an old task for each healthy new one", "1h 1h 2h 2s", 2, "start 0, stop a"],
    ["keeps old tasks while the new ones are unhealthy", "1h 2u", 1, "start 0, stop b"],
    ["stops old tasks that start at once", "1s 1h", 2, "start 2, stop a"],
    ["does not wait for the end of old tasks", "1x 1x", 1, "start 1"],
    [
      "stops before it starts if the maximum is 100 %",
      "1h",
      1,
      "start 0, stop a",
      { percentages: STOP_FIRST },
    ],
    ["waits until the old process has ended then", "1x", 1, "start 0", { percentages: STOP_FIRST }],
    ["starts when it has ended", "", 1, "start 1", { percentages: STOP_FIRST }],
    [
      "stops half of four first if 50 % may be missing",
      "1h 1h 1h 1h",
      4,
      "start 0, stop a, stop b",
      { percentages: half },
    ],
    [
      "stops the rest when the new half is healthy",
      "1h 1h 2h 2h",
      4,
      "start 0, stop a, stop b",
      { percentages: half },
    ],
    [
      "cannot deploy if both percentages are 100, as ECS cannot",
      "1h",
      1,
      "start 0",
      { percentages: { minimumHealthyPercent: 100, maximumPercent: 100 } },
    ],

    ["scales in from the oldest task", "2h 2h 2h", 1, "start 0, stop a, stop b"],
    ["scales in from tasks that start", "2h 2s 2s", 1, "start 0, stop b, stop c"],
    ["scales in from unhealthy tasks", "2h 2u", 1, "start 0, stop b"],
    ["scales in during a deployment", "1h 1h 1h 2s", 1, "start 0, stop a, stop b"],
    ["stops everything at zero", "1h 2h 2s 2u", 0, "start 0, stop d, stop a, stop c, stop b"],
  ];
  for (const [name, tasks, desiredCount, expected, changes] of cases) {
    it(name, () => {
      assert.equal(decide(tasks, desiredCount, changes), expected);
    });
  }

  it("is stuck only if nothing but the percentages can change that", () => {
    const isStuck = (tasks: string, minimumHealthyPercent: number, maximumPercent: number): boolean =>
      scheduleTasks({
        desiredCount: 1,
        percentages: { minimumHealthyPercent, maximumPercent },
        revision: 2,
        canStart: true,
        tasks: tasksOf(tasks),
      }).isStuck;
    assert.deepEqual([isStuck("1h", 100, 100), isStuck("1h", 100, 150)], [true, true]);
    assert.deepEqual(
      [isStuck("1h", 100, 200), isStuck("1h", 0, 100), isStuck("1x", 100, 100), isStuck("2h", 100, 100)],
      [false, false, false, false],
    );
  });

  it("balances the zones", () => {
    const tasks = tasksOf("2h 2h 2h").map((task, index) => ({ ...task, zone: index === 0 ? 0 : 1 }));
    assert.equal(chooseZone(tasks, 2), 0);
    assert.equal(chooseZone(tasks, 3), 2);
    assert.equal(decide("", 2, { tasks }), "start 0, stop b");
    assert.equal(decide("", 1, { tasks }), "start 0, stop b, stop a");
  });

  it("never exceeds the maximum by a start, and never goes below the minimum by a stop", () => {
    const task = fc.record({
      revision: fc.constantFrom(1, 2),
      state: fc.constantFrom(...Object.values(STATES)),
      zone: fc.nat({ max: 2 }),
    });
    const states = fc.record({
      desiredCount: fc.nat({ max: 8 }),
      percentages: fc.record({
        minimumHealthyPercent: fc.nat({ max: 100 }),
        maximumPercent: fc.integer({ min: 100, max: 300 }),
      }),
      revision: fc.constant(2),
      canStart: fc.boolean(),
      tasks: fc.array(task, { maxLength: 12 }),
    });
    fc.assert(
      fc.property(states, (state) => {
        const tasks = state.tasks.map((fields, index) => ({ ...fields, id: String(index) }));
        const { start, stop } = scheduleTasks({ ...state, tasks });
        const { minimumHealthyPercent, maximumPercent } = state.percentages;
        const max = Math.floor((state.desiredCount * maximumPercent) / 100);
        const min = Math.ceil((state.desiredCount * minimumHealthyPercent) / 100);
        const running = tasks.filter((one) => one.state !== "stopping");
        assert.ok(start === 0 || running.length + start <= max, "more tasks than the maximum");
        assert.equal(new Set(stop).size, stop.length, "a task stops twice");
        const stopped = running.filter(({ id }) => stop.includes(id));
        assert.equal(stopped.length, stop.length, "a task stops that is stopping");
        const healthy = running.filter((one) => one.state === "healthy").length;
        const lost = stopped.filter((one) => one.state === "healthy").length;
        assert.ok(lost === 0 || healthy - lost >= min, "fewer healthy tasks than the minimum");
      }),
    );
  });
});
