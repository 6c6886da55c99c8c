/** Loaded by Mocha before the tests: a stack file that is not usable fails once, in the words of its error, and ends the run. */
import path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "../..");

/** Folders whose tests evaluate no stack, and should not wait for it. */
const WITHOUT_STACKS = ["app", "bench", "client", "load-test"].map(
  (folder) => path.join(ROOT, "tests", folder) + path.sep,
);

/** Loading the providers' packages takes seconds on a busy machine. */
const TIMEOUT_MS = 120_000;

export const mochaHooks = {
  async beforeAll(this: Mocha.Context): Promise<void> {
    const files = this.test?.parent?.suites.map(({ file = "" }) => file) ?? [];
    if (files.every((file) => WITHOUT_STACKS.some((folder) => file.startsWith(folder)))) return;
    this.timeout(TIMEOUT_MS);
    await assertUsable(ROOT);
  },
};

/** @throws {ConfigError} of the first stack whose configuration is not usable. */
export async function assertUsable(root: string): Promise<void> {
  // Loaded only if it is needed: it takes a second.
  const { evaluateStack } = await import("../../infra/evaluation/evaluate.ts");
  const { stackNames } = await import("../../infra/evaluation/stackFiles.ts");
  for (const stack of stackNames(root)) await evaluateStack({ stack, root });
}
