/** Loaded by Mocha before the tests: a stack file that is not usable fails once, with its own error, and ends the run. */
import path from "node:path";

const TESTS = path.resolve(import.meta.dirname, "..");

/** Folders whose tests evaluate no stack, and should not wait for it. */
const WITHOUT_STACKS = ["app", "architecture", "bench", "cli", "client", "faults", "load-test", "setup"].map(
  (folder) => path.join(TESTS, folder) + path.sep,
);

/** Loading the providers' packages takes seconds on a busy machine. */
const TIMEOUT_MS = 120_000;

export const mochaHooks = {
  async beforeAll(this: Mocha.Context): Promise<void> {
    const files = this.test?.parent?.suites.map(({ file = "" }) => file) ?? [];
    if (files.every((file) => WITHOUT_STACKS.some((folder) => file.startsWith(folder)))) return;
    this.timeout(TIMEOUT_MS);
    // Loaded only if it is needed: it takes a second.
    const { assertUsable } = await import("./stacks.ts");
    await assertUsable();
  },
};
