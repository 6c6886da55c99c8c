import assert from "node:assert/strict";
import { getEventListeners } from "node:events";

import { Condition } from "../../../app/src/channel/condition.ts";

describe("a condition", () => {
  it("resolves for the callers whose condition is met", async () => {
    const changed = new Condition();
    let value = 0;
    const passed: number[] = [];
    const waiting = [2, 1, 2, 0].map((least) =>
      changed.until(() => value >= least).then(() => passed.push(least)),
    );
    for (const [next, expected] of [
      [0, [0]],
      [1, [0, 1]],
      [2, [0, 1, 2, 2]],
    ] as const) {
      value = next;
      changed.notify();
      await Promise.all(waiting.filter((_, n) => [2, 1, 2, 0][n] === next));
      assert.deepEqual(passed, expected);
    }
  });

  it("rejects with the reason of an aborted signal, and keeps no listener", async () => {
    const changed = new Condition();
    const controller = new AbortController();
    let looked = 0;
    const never = (): boolean => {
      looked += 1;
      return false;
    };
    const waiting = changed.until(never, controller.signal);
    let isMet = false;
    const other = changed.until(() => isMet, controller.signal);
    isMet = true;
    changed.notify();
    await other;
    assert.equal(getEventListeners(controller.signal, "abort").length, 1);
    controller.abort(new Error("enough"));
    await assert.rejects(waiting, /enough/);
    await assert.rejects(
      changed.until(() => true, controller.signal),
      /enough/,
    );
    looked = 0;
    changed.notify();
    assert.equal(looked, 0);
    assert.equal(getEventListeners(controller.signal, "abort").length, 0);
  });
});
