import assert from "node:assert/strict";
import fc from "fast-check";
import { SimulatedTasks } from "../../simulate/tasks.ts";

const TIMES = { startSeconds: 60, deregistrationSeconds: 10, closingSeconds: 20 };
const FEWEST = { algorithm: "least_outstanding_requests", maxConnections: 100 } as const;
const IN_TURN = { algorithm: "round_robin", maxConnections: 100 } as const;

describe("simulated tasks", () => {
  it("accept connections after their start", () => {
    const tasks = new SimulatedTasks(TIMES, FEWEST, 1, 50);
    tasks.setDesired(2);
    tasks.advance(59);
    tasks.connect(10);
    assert.deepEqual(tasks.connections, [60]);
    tasks.advance(1);
    tasks.connect(10);
    assert.deepEqual(tasks.connections, [60, 10]);
  });

  it("stop the newest first, after the deregistration and one connection after the other", () => {
    const tasks = new SimulatedTasks(TIMES, FEWEST, 2, 80);
    tasks.setDesired(1);
    const closed = Array.from({ length: 4 }, () => tasks.advance(10));
    assert.deepEqual(closed, [0, 20, 20, 0]);
    assert.deepEqual(tasks.connections, [40]);
    assert.equal(tasks.taskSeconds, 40 + 30);
  });

  it("close all connections at once if their time is shorter than a step", () => {
    const tasks = new SimulatedTasks(
      { ...TIMES, deregistrationSeconds: 0, closingSeconds: 1 },
      FEWEST,
      2,
      80,
    );
    tasks.setDesired(1);
    assert.equal(tasks.advance(10), 40);
  });

  it("do not stop with connections if they have not started", () => {
    const tasks = new SimulatedTasks(TIMES, FEWEST, 1, 50);
    tasks.setDesired(3);
    tasks.setDesired(1);
    assert.deepEqual(tasks.connections, [50]);
  });

  it("get connections by the declared algorithm", () => {
    const uneven = (limits: typeof FEWEST | typeof IN_TURN): SimulatedTasks => {
      const tasks = new SimulatedTasks({ ...TIMES, startSeconds: 0 }, limits, 1, 90);
      tasks.setDesired(2);
      tasks.advance(1);
      return tasks;
    };
    const fewest = uneven(FEWEST);
    assert.equal(fewest.connect(60), 0);
    assert.deepEqual(fewest.connections, [90, 60]);
    assert.equal(fewest.connect(60), 10);
    assert.deepEqual(fewest.connections, [100, 100]);
    const inTurn = uneven(IN_TURN);
    assert.equal(inTurn.connect(60), 20);
    assert.deepEqual(inTurn.connections, [100, 30]);
  });

  it("neither lose nor invent connections, and respect their limit", () => {
    const step = fc.record({
      connects: fc.nat(500),
      disconnects: fc.nat(300),
      desired: fc.integer({ min: 1, max: 6 }),
      seconds: fc.constantFrom(1, 10, 60),
    });
    fc.assert(
      fc.property(fc.constantFrom(FEWEST, IN_TURN), fc.array(step, { maxLength: 60 }), (limits, steps) => {
        const tasks = new SimulatedTasks(TIMES, limits, 1, 0);
        const total = (): number => tasks.connections.reduce((sum, each) => sum + each, 0);
        for (const { connects, disconnects, desired, seconds } of steps) {
          tasks.setDesired(desired);
          const before = total();
          const closed = tasks.advance(seconds);
          equal(total(), before - closed);
          tasks.disconnect(disconnects);
          equal(total(), Math.max(0, before - closed - disconnects));
          const refused = tasks.connect(connects);
          equal(total(), Math.max(0, before - closed - disconnects) + connects - refused);
          assert.ok(tasks.connections.every((each) => each <= limits.maxConnections + 1e-6));
        }
      }),
    );
  });

  function equal(got: number, expected: number): void {
    assert.ok(Math.abs(got - expected) < 1e-6, `${got} connections instead of ${expected}`);
  }
});
