import assert from "node:assert/strict";
import { getEventListeners } from "node:events";

import { Condition } from "../../../app/src/channel/condition.ts";

describe("a condition", () => {
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
