/** The autoscaler with tasks and a target group that the test controls. The model of the decisions has its own tests. */
import assert from "node:assert/strict";
import type { DeploymentStatus, StackEvent, TaskStatus } from "../../../local/events.ts";
import { createTaskMetrics } from "../../../local/model/metrics/taskMetrics.ts";
import type { DeclaredPolicy, DeclaredScaling } from "../../../local/model/scaling/declaredScaling.ts";
import { createAutoscaler } from "../../../local/runtime/scaling/autoscaler.ts";

const LOGGED = { namespace: "WebSocket", name: "Connections", dimensions: { ServiceName: "web" } };
const COOLDOWNS = { scaleOutCooldownSeconds: 60, scaleInCooldownSeconds: 60, disableScaleIn: false };
const CONNECTIONS: DeclaredPolicy = {
  name: "connections",
  metric: "connections per task",
  logged: LOGGED,
  target: 5,
  ...COOLDOWNS,
};
const REQUESTS: DeclaredPolicy = { name: "requests", metric: "requests per target", target: 5, ...COOLDOWNS };
const CPU: DeclaredPolicy = { name: "cpu", metric: "CPU", target: 50, ...COOLDOWNS };
const MINUTE_MS = 60_000;

function setUp(scaling: Partial<DeclaredScaling> = {}) {
  const events: StackEvent[] = [];
  const metrics = createTaskMetrics();
  const targets = { requests: 0, usable: 1 };
  const deployments: DeploymentStatus[] = [];
  const statuses: TaskStatus[] = [];
  const tasks = {
    desiredCount: 1,
    setDesiredCount(count: number) {
      tasks.desiredCount = count;
    },
    deployments: () => deployments,
    status: () => statuses,
  };
  const declared: DeclaredScaling = {
    min: 1,
    max: 5,
    keepsRange: false,
    policies: [CONNECTIONS],
    schedules: [],
    ...scaling,
  };
  const autoscaler = createAutoscaler(
    {
      scaling: declared,
      cpuUnits: 1024,
      metrics,
      targets,
      tasks,
      emit: (event) => {
        events.push(event);
      },
    },
    0,
  );
  let minutes = 0;
  return {
    declared,
    autoscaler,
    metrics,
    targets,
    deployments,
    statuses,
    tasks,
    /** The events since the last call, without those of the metrics. */
    decisions: () => events.splice(0).filter(({ event }) => event !== "metric"),
    values: () => events.splice(0).flatMap((event) => (event.event === "metric" ? [event.value] : [])),
    /** Ends a minute in which each task has so many connections. */
    minute: (...connections: readonly number[]): void => {
      connections.forEach((value, index) => {
        metrics.addLine(`task-${index + 1}`, [{ ...LOGGED, value }]);
      });
      autoscaler.endMinute((minutes += 1) * MINUTE_MS);
    },
  };
}

describe("the emulated autoscaler", () => {
  it("adds tasks after three minutes above the target, and reports the alarm and the reason", () => {
    const { minute, decisions, tasks, autoscaler } = setUp();
    minute(12);
    minute(12);
    assert.deepEqual([tasks.desiredCount, decisions().length], [1, 1]);
    minute(12.4);
    assert.equal(tasks.desiredCount, 3);
    const policy = { policy: "connections", metric: "connections per task", target: 5 };
    assert.deepEqual(decisions(), [
      { event: "alarm", ...policy, alarm: "high", state: "alarm" },
      {
        event: "scaled",
        from: 1,
        to: 3,
        reason: "connections per task 12.4 > 5 for 3 min: 1 → 3 tasks",
      },
    ]);
    const status = { name: "connections", metric: "connections per task", target: 5, value: 12.4 };
    assert.deepEqual(autoscaler.status(), {
      desired: 3,
      min: 1,
      max: 5,
      policies: [{ ...status, high: "alarm", low: "ok" }],
    });
  });

  it("does not add tasks again for those that start, nor remove tasks again while one of them drains", () => {
    const { minute, tasks } = setUp();
    for (let n = 0; n < 3; n++) minute(12);
    assert.equal(tasks.desiredCount, 3);
    // The added tasks do not report yet, and the cooldown of a minute ends.
    for (let n = 0; n < 5; n++) minute(12);
    assert.equal(tasks.desiredCount, 3);
    for (let n = 0; n < 15; n++) minute(2, 2, 2);
    assert.equal(tasks.desiredCount, 2);
    // The drain takes minutes of the autoscaler, in which three tasks report.
    for (let n = 0; n < 20; n++) minute(3, 3, 0);
    assert.equal(tasks.desiredCount, 2);
    for (let n = 0; n < 20; n++) minute(3, 3);
    assert.equal(tasks.desiredCount, 2);
  });

  it("removes no task while a deployment is in progress", () => {
    const { minute, tasks, deployments, statuses } = setUp();
    tasks.desiredCount = 2;
    deployments.push({ revision: 2, state: "in-progress", desired: 2, running: 2, healthy: 2 });
    for (let n = 0; n < 20; n++) minute(0, 0);
    assert.equal(tasks.desiredCount, 2);
    deployments.splice(0, 1, { revision: 2, state: "completed", desired: 2, running: 2, healthy: 2 });
    const task = { pid: 1, port: 1, metricsPort: 1, open: 3, requests: 3 };
    statuses.push({ ...task, id: "task-1", revision: 1, health: "stopping" });
    minute(0, 0);
    assert.equal(tasks.desiredCount, 2, "a task of the first revision still drains");
    statuses.splice(0, 1, { ...task, id: "task-2", revision: 2, health: "healthy" });
    minute(0, 0);
    assert.equal(tasks.desiredCount, 1);
  });

  it("reports a data point per minute and metric, and none if a metric has no data", () => {
    const { autoscaler, metrics, targets, minute, values } = setUp({
      policies: [CONNECTIONS, REQUESTS, CPU],
    });
    targets.usable = 0;
    minute();
    assert.deepEqual(values(), []);
    targets.usable = 2;
    targets.requests = 6;
    metrics.addCpuTime("task-1", { microseconds: 0, atMs: 0 });
    metrics.addCpuTime("task-1", { microseconds: 250_000, atMs: 1000 });
    minute(7);
    assert.deepEqual(values(), [7, 3, 25]);
    assert.deepEqual(
      autoscaler.status().policies.map(({ value }) => value),
      [7, 3, 25],
    );
  });

  it("continues with what a changed stack declares", () => {
    const { autoscaler, declared, minute, tasks, decisions } = setUp();
    minute(12);
    minute(12);
    decisions();
    autoscaler.update({ scaling: { ...declared, policies: [{ ...CONNECTIONS, target: 4 }] }, cpuUnits: 256 });
    minute(12);
    assert.equal(tasks.desiredCount, 3, "the data points before the change count");
    decisions();
    autoscaler.update({ scaling: { ...declared, max: 2, policies: [CPU] }, cpuUnits: 256 });
    assert.equal(tasks.desiredCount, 2);
    assert.deepEqual(decisions(), [
      { event: "scaled", from: 3, to: 2, reason: "1 to 2 tasks declared: 3 → 2 tasks" },
    ]);
    assert.deepEqual(autoscaler.status().policies, [
      {
        name: "cpu",
        metric: "CPU",
        target: 50,
        value: undefined,
        high: "insufficient-data",
        low: "insufficient-data",
      },
    ]);
  });

  it("leaves the range of a scheduled action if the stack declares that updates ignore it", () => {
    const once = { next: (after: number) => (after < MINUTE_MS ? MINUTE_MS : undefined) };
    const morning = { name: "morning", schedule: once, min: 3, max: 4 };
    const { autoscaler, declared, minute, tasks } = setUp({ keepsRange: true, schedules: [morning] });
    minute();
    autoscaler.update({ scaling: { ...declared, min: 1, max: 2 }, cpuUnits: 1024 });
    assert.equal(tasks.desiredCount, 3);
    const { min, max } = autoscaler.status();
    assert.deepEqual([min, max], [3, 4]);
  });
});
