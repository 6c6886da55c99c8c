/** The real Pulumi CLI, which these tests drive. */
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";

import { isExecutable } from "../../../cli/executable.ts";
import { leaveOut } from "../../support/leaveOut.ts";

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
 * Skips the tests of this suite if there is no CLI.
 * @throws {Error} in CI, which must not pass without them.
 */
export function needCli(context: Mocha.Context): void {
  if (isExecutable(cliPath())) return;
  leaveOut(context, { program: "the Pulumi CLI", fix: "npx pulumi version" });
}
