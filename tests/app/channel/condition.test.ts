import assert from "node:assert/strict";
import { getEventListeners } from "node:events";

import { Condition } from "../../../app/src/channel/condition.ts";

describe("a condition", () => {
  it("lets everybody go on whose condition holds, and nobody else", async () => {
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

  it("lets those go who give up, with their reason, and keeps nothing of anybody", async () => {
    const changed = new Condition();
    const giveUp = new AbortController();
    let looked = 0;
    const never = (): boolean => {
      looked += 1;
      return false;
    };
    const waiting = changed.until(never, giveUp.signal);
    let holds = false;
    const other = changed.until(() => holds, giveUp.signal);
    holds = true;
    changed.notify();
    await other;
    assert.equal(getEventListeners(giveUp.signal, "abort").length, 1);
    giveUp.abort(new Error("enough"));
    await assert.rejects(waiting, /enough/);
    await assert.rejects(
      changed.until(() => true, giveUp.signal),
      /enough/,
    );
    looked = 0;
    changed.notify();
    assert.equal(looked, 0);
    assert.equal(getEventListeners(giveUp.signal, "abort").length, 0);
  });
});
