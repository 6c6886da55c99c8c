import assert from "node:assert/strict";

/**
 * Runs `undo` after the suite of a `before` hook. An `after` hook also runs if the `before` hook was skipped or failed, and
 * then has nothing to close.
 */
export function atSuiteEnd(hook: Mocha.Context, undo: () => unknown): void {
  const suite = hook.test?.parent ?? assert.fail("Fix: call atSuiteEnd in a hook of a suite.");
  suite.afterAll(async () => {
    await undo();
  });
}
