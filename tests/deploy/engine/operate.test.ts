import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { Stack } from "@pulumi/pulumi/automation/index.js";
import { operate } from "../../../deploy/engine/operate.ts";
import { Interrupted } from "../../../deploy/errors.ts";

describe("Ctrl-C in deploy", () => {
  it("starts no operation if npm has already ended", async () => {
    const printed: string[] = [];
    const context = {
      interrupts: { signals: new EventEmitter(), orphaned: AbortSignal.abort() },
      print: (line: string) => printed.push(line),
      write: (text: string) => assert.fail(text),
      color: "never",
      exit: (code: number) => assert.fail(`exit ${code}`),
      workspace: { programError: () => undefined },
    } as const;
    // A preview uses nothing else of the stack.
    const stack = Object.assign(Object.create(Stack.prototype) as Stack, { name: "dev" });
    const run = (): Promise<void> => assert.fail("the operation has started");
    await assert.rejects(operate(context, stack, { name: "preview", isPreview: true, run }), Interrupted);
    assert.match(printed.join(""), /^Cancelling/);
  });
});
