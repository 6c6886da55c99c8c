import assert from "node:assert/strict";
import fc from "fast-check";
import {
  circuitBreakerThreshold,
  currentDeployment,
  deployRevision,
  FIRST_ROLLOUT,
  recordComplete,
  recordFailure,
  recordHealthy,
  restartDelayMs,
  type Rollout,
} from "../../../../local/model/deployment/rollout.ts";
import { type ScheduledTask, scheduleTasks } from "../../../../local/model/deployment/schedule.ts";

const BREAKER = { rollback: true };

function fail(
  rollout: Rollout,
  times: number,
  breaker: { rollback: boolean } | undefined = BREAKER,
): Rollout {
  let failed = rollout;
  for (let n = 0; n < times; n++) failed = recordFailure(failed, breaker, 1);
  return failed;
}

const summary = ({ deployments }: Rollout): readonly string[] =>
  deployments.map(({ revision, state }) => `${revision} ${state}`);

describe("deployments", () => {
  const completed = recordComplete(FIRST_ROLLOUT);

  it("have a threshold of half the desired count, from 3 to 200", () => {
    assert.deepEqual([0, 1, 6, 7, 400, 1000].map(circuitBreakerThreshold), [3, 3, 3, 4, 200, 200]);
  });

  it("fail at the threshold, and return to the last completed revision", () => {
    const deployed = deployRevision(completed, 2);
    assert.deepEqual(summary(fail(deployed, 2)), ["1 completed", "2 in-progress"]);
    assert.deepEqual(summary(fail(deployed, 3)), ["2 failed", "1 in-progress"]);
    assert.deepEqual(summary(recordComplete(fail(deployed, 3))), ["2 failed", "1 completed"]);
  });

  it("that fail stay current without a rollback, without a completed revision, and if the rollback fails", () => {
    assert.deepEqual(summary(fail(FIRST_ROLLOUT, 3)), ["1 failed"]);
    assert.deepEqual(summary(fail(deployRevision(completed, 2), 3, { rollback: false })), [
      "1 completed",
      "2 failed",
    ]);
    assert.deepEqual(summary(fail(deployRevision(completed, 2), 6)), ["2 failed", "1 failed"]);
  });

  it("continue without a circuit breaker, and after their completion", () => {
    assert.deepEqual(summary(fail(completed, 9)), ["1 completed"]);
    let rollout = FIRST_ROLLOUT;
    for (let n = 0; n < 9; n++) rollout = recordFailure(rollout, undefined, 1);
    assert.deepEqual(summary(rollout), ["1 in-progress"]);
  });

  it("count consecutive failures", () => {
    const interrupted = fail(recordHealthy(fail(deployRevision(completed, 2), 2)), 2);
    assert.equal(currentDeployment(interrupted).state, "in-progress");
  });

  it("that are in progress end without a result when the next one starts", () => {
    assert.deepEqual(summary(deployRevision(deployRevision(completed, 2), 3)), [
      "1 completed",
      "3 in-progress",
    ]);
  });

  it("are forgotten after ten later ones, but not the last completed one", () => {
    let rollout = completed;
    for (let revision = 2; revision < 20; revision++) {
      rollout = deployRevision(rollout, revision);
      for (let n = 0; n < 3; n++) rollout = recordFailure(rollout, { rollback: false }, 1);
    }
    assert.equal(rollout.deployments.length, 11);
    assert.deepEqual(summary(rollout)[0], "1 completed");
  });

  it("delay a start after failures, twice as long each time, up to a limit", () => {
    assert.deepEqual([0, 1, 2, 3, 10].map(restartDelayMs), [0, 1000, 2000, 4000, 30_000]);
  });
});

describe("a deployment with any results of its tasks", () => {
  const percentages = fc
    .record({
      minimumHealthyPercent: fc.nat({ max: 100 }),
      maximumPercent: fc.integer({ min: 100, max: 300 }),
    })
    // Otherwise neither a start nor a stop is possible, as on ECS.
    .map(({ minimumHealthyPercent, maximumPercent }) =>
      maximumPercent < 200
        ? { minimumHealthyPercent: 0, maximumPercent }
        : { minimumHealthyPercent, maximumPercent },
    );

  it("ends completed or rolled back, and never has fewer healthy tasks than the minimum by the scheduler's doing", () => {
    const inputs = fc.record({
      percentages,
      desiredCount: fc.integer({ min: 1, max: 6 }),
      /** For each new task, in order, whether it becomes healthy. Later ones do. */
      results: fc.array(fc.boolean(), { maxLength: 30 }),
    });
    fc.assert(
      fc.property(inputs, ({ percentages: limits, desiredCount, results }) => {
        const min = Math.ceil((desiredCount * limits.minimumHealthyPercent) / 100);
        let rollout = deployRevision(recordComplete(FIRST_ROLLOUT), 2);
        let tasks: readonly ScheduledTask[] = Array.from({ length: desiredCount }, (_, index) => ({
          id: `old-${index}`,
          revision: 1,
          state: "healthy",
          zone: 0,
        }));
        let started = 0;
        for (let step = 0; currentDeployment(rollout).state === "in-progress"; step++) {
          assert.ok(step < 500, `no end: ${JSON.stringify({ tasks, rollout })}`);
          const { revision } = currentDeployment(rollout);
          const { start, stop } = scheduleTasks({
            desiredCount,
            percentages: limits,
            revision,
            canStart: true,
            tasks,
          });
          const isHealthy = ({ state }: ScheduledTask): boolean => state === "healthy";
          const before = tasks.filter(isHealthy).length;
          const changed = stop.length + start > 0;
          tasks = tasks.map((task) => (stop.includes(task.id) ? { ...task, state: "stopping" } : task));
          const after = tasks.filter(isHealthy).length;
          assert.ok(after === before || after >= min, `${before} healthy tasks became ${after} of ${min}`);
          for (let n = 0; n < start; n++)
            tasks = [...tasks, { id: `new-${started++}`, revision, state: "starting", zone: 0 }];
          if (changed) continue;

          const ending = tasks.some(({ state }) => state === "stopping");
          const next = tasks.find(({ state }) => state === "starting");
          if (ending) tasks = tasks.filter(({ state }) => state !== "stopping");
          else if (next !== undefined) {
            const passes = next.revision === 1 || (results[Number(next.id.slice(4))] ?? true);
            tasks = tasks.map((task) =>
              task === next ? { ...task, state: passes ? "healthy" : "unhealthy" } : task,
            );
            rollout = passes ? recordHealthy(rollout) : recordFailure(rollout, BREAKER, desiredCount);
          } else {
            assert.deepEqual(
              tasks.map((task) => [task.revision, task.state]),
              Array.from({ length: desiredCount }, () => [revision, "healthy"]),
            );
            rollout = recordComplete(rollout);
          }
        }
        const { revision, state } = currentDeployment(rollout);
        assert.equal(state, "completed");
        const failed = rollout.deployments.some((deployment) => deployment.state === "failed");
        assert.equal(revision, failed ? 1 : 2);
      }),
    );
  });
});
