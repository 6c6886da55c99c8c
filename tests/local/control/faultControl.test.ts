import assert from "node:assert/strict";
import { createFaultControl } from "../../../local/control/faultControl.ts";
import type { StackEvent } from "../../../local/events.ts";
import { createImpairment } from "../../../local/runtime/network/impairment.ts";
import { waitUntil } from "../../support/waitUntil.ts";

describe("a fault that cannot be undone", () => {
  it("stays active, with a warning, and can be ended again", async () => {
    const events: StackEvent[] = [];
    const starts = [Promise.reject(new Error("address in use")), Promise.resolve()];
    const control = createFaultControl(
      {
        taskFaults: () => undefined,
        impairment: createImpairment(),
        backplane: { stop: () => Promise.resolve(), start: () => starts.shift() ?? Promise.resolve() },
      },
      (event) => events.push(event),
    );
    const active = [{ fault: "stop-backplane", task: undefined }];
    control.apply("stop-backplane");
    control.end("stop-backplane");
    control.end("stop-backplane");
    await waitUntil(() => events.some(({ event }) => event === "warning"));
    assert.deepEqual(control.active(), active);
    assert.equal(starts.length, 1, "a fault is not undone twice at once");
    control.end("stop-backplane");
    await waitUntil(() => control.active().length === 0);
    assert.deepEqual(
      events.map((event) => (event.event === "warning" ? event.message : event.event)),
      ["fault-applied", 'The fault "Stop backplane" failed: address in use', "fault-ended"],
    );
  });
});
