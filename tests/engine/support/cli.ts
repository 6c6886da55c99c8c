/** The real Pulumi CLI, which these tests drive. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";

/** The installation that the npm package `pulumi` looks for, and that .ci/install-pulumi makes. */
export function cliRoot(): string {
  const { version } = createRequire(import.meta.url)("pulumi/package.json") as { version: string };
  const home = process.env["PULUMI_HOME"] ?? join(homedir(), ".pulumi");
  return join(home, "versions", version);
}

export function cliPath(): string {
  return join(cliRoot(), "bin", "pulumi");
}

/**
 * Skips the tests of this suite, and says so, where there is no CLI.
 * @throws {Error} in CI, which must not pass without them.
 */
export function needCli(context: Mocha.Context): void {
  const cli = cliPath();
  if (existsSync(cli)) return;
  const reason = `There is no Pulumi CLI at ${cli}: "npx pulumi version" downloads it, and .ci/install-pulumi builds it.`;
  if (process.env["CI"] === "true") throw new Error(reason);
  console.warn(`\n*** SKIPPED, all tests against the real Pulumi engine. ${reason}\n`);
  context.skip();
}
