import assert from "node:assert/strict";

/**
 * Runs `undo` after the suite whose `before` hook this is. An `after` hook would also run when the `before` hook was
 * skipped or failed, and would find nothing to close.
 */
export function atSuiteEnd(hook: Mocha.Context, undo: () => unknown): void {
  const suite = hook.test?.parent ?? assert.fail("atSuiteEnd is called in a hook of a suite.");
  suite.afterAll(async () => {
    await undo();
  });
}
