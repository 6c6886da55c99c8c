import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { Stack } from "@pulumi/pulumi/automation/index.js";
import { Interrupted, operate } from "../../deploy/operate.ts";
import { linesView } from "../../deploy/progress/view.ts";

describe("Ctrl-C in deploy", () => {
  it("begins no operation when npm has ended already", async () => {
    const output: string[] = [];
    const context = {
      openView: linesView({ write: (text) => output.push(text) }),
      interrupts: { signals: new EventEmitter(), orphaned: AbortSignal.abort() },
      nowMs: () => 0,
      say: (line: string) => output.push(line),
      exit: (code: number) => assert.fail(`exit ${code}`),
      workspace: { programError: () => undefined },
    };
    // A preview asks nothing else of it.
    const stack = Object.assign(Object.create(Stack.prototype) as Stack, { name: "dev" });
    let hasBegun = false;
    const run = (): Promise<void> => {
      hasBegun = true;
      return Promise.resolve();
    };
    await assert.rejects(operate(context, stack, { name: "preview", planned: true, run }), Interrupted);
    assert.equal(hasBegun, false);
    assert.match(output.join(""), /cancelling/);
  });
});
