import assert from "node:assert/strict";
import { createFaultControl } from "../../../local/control/faultControl.ts";
import { createKeyboard } from "../../../local/control/keyboard.ts";
import type { TaskStatus } from "../../../local/events.ts";
import { createImpairment } from "../../../local/runtime/network/impairment.ts";

describe("the keys of a terminal", () => {
  let tasks: { readonly id: string; readonly health: TaskStatus["health"] }[];
  let signals: string[];
  let printed: string[];
  let press: (keys: string) => void;

  beforeEach(() => {
    tasks = [];
    signals = [];
    printed = [];
    const taskFaults = (id: string) => ({
      signal: (signal: string) => void signals.push(`${signal} ${id}`),
      freeze() {
        signals.push(`SIGSTOP ${id}`);
        return () => void signals.push(`SIGCONT ${id}`);
      },
      setFailing: () => undefined,
    });
    const faults = createFaultControl({ taskFaults, impairment: createImpairment() }, (event) => event);
    const process = { pid: 1, port: 2, metricsPort: undefined, revision: 1, open: 0, requests: 0 };
    const onKey = createKeyboard({
      stack: { status: () => tasks.map((task) => ({ ...process, ...task })), faults },
      print: (lines) => printed.push(...lines),
    });
    press = (keys) => {
      for (const key of keys) onKey(key);
    };
  });

  for (const keys of ["2f", "f"]) {
    it(`do nothing once if the task of "${keys}" has ended, and name the next one`, () => {
      tasks = [
        { id: "task-29", health: "healthy" },
        { id: "task-30", health: "healthy" },
      ];
      press(keys);
      const [ended, next] = keys === "f" ? ["task-29", "task-30"] : ["task-30", "task-29"];
      press("k");
      tasks = [{ id: next, health: "healthy" }];
      press("u");
      assert.deepEqual(signals, [`SIGSTOP ${ended}`, `SIGKILL ${ended}`]);
      assert.equal(
        printed.at(-1),
        `${ended} is stopping or has ended, so the key did nothing. The keys now apply to ${next}.`,
      );
      press("k");
      assert.equal(signals.at(-1), `SIGKILL ${next}`);
    });
  }

  it("end the fault of a task that is stopping", () => {
    tasks = [{ id: "task-1", health: "healthy" }];
    press("f");
    tasks = [
      { id: "task-1", health: "stopping" },
      { id: "task-2", health: "healthy" },
    ];
    press("f");
    assert.deepEqual(signals, ["SIGSTOP task-1", "SIGCONT task-1"]);
  });

  it("do not apply to another task after a time without one", () => {
    tasks = [{ id: "task-1", health: "healthy" }];
    press("1");
    tasks = [];
    press("k");
    assert.equal(printed.at(-1), "No task is running.");
    tasks = [{ id: "task-2", health: "healthy" }];
    press("k");
    assert.deepEqual(signals, []);
  });

  it("list the active faults and the selected task", () => {
    tasks = [{ id: "task-1", health: "healthy" }];
    press("fl?");
    assert.ok(printed.some((line) => /^ {2}f .* \(active on task-1\)$/.test(line)));
    assert.ok(printed.some((line) => /^ {2}l .* \(active\)$/.test(line)));
    assert.equal(printed.at(-1), "  1-9  select the task, which is task-1 now");
  });

  it("that do nothing are answered, except control characters", () => {
    tasks = [{ id: "task-1", health: "healthy" }];
    press("z2\u0003\r");
    assert.deepEqual(printed, [
      "z is not a key of this stack; ? lists the keys.",
      "The key 2 selects no task; running tasks: 1.",
    ]);
  });
});
