import assert from "node:assert/strict";
import { cpuOf } from "../../simulate/cpu.ts";

describe("the CPU of a simulated service", () => {
  // docs/capacity.md: 60 % of a vCPU are 6,800 handshakes a second beside the heartbeats of 65,000 connections.
  it("agrees with the capacity that is documented for a task", () => {
    const task = { cpus: 1, heartbeatSeconds: 30 };
    const { percent } = cpuOf(task, 1, { upgrades: 6800 * 60, connections: 65_000, messages: 0 });
    assert.ok(Math.abs(percent - 60) < 1, `${percent} %`);
  });

  it("is one thread for each task, and the average of the tasks", () => {
    const minute = { upgrades: 0, connections: 300_000, messages: 0 };
    const cases = [
      [1, 1, { percent: 20, isOverloaded: false }],
      [2, 1, { percent: 10, isOverloaded: false }],
      [1, 0.25, { percent: 80, isOverloaded: false }],
      [1, 0.125, { percent: 100, isOverloaded: true }],
    ] as const;
    for (const [tasks, cpus, expected] of cases) {
      const { percent, isOverloaded } = cpuOf({ cpus, heartbeatSeconds: 30 }, tasks, minute);
      assert.deepEqual({ percent: Math.round(percent), isOverloaded }, expected);
    }
    const busy = cpuOf({ cpus: 4, heartbeatSeconds: 30 }, 1, { ...minute, connections: 3_000_000 });
    assert.deepEqual([Math.round(busy.percent), busy.isOverloaded], [25, true]);
  });
});
