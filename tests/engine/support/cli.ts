/** The Pulumi CLI that these tests run. */
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";

import { isExecutable } from "../../../cli/executable.ts";
import { leaveOut } from "../../support/leaveOut.ts";

/** Returns the folder in which the npm package `pulumi` and .ci/install-pulumi install the CLI. */
export function cliRoot(): string {
  const { version } = createRequire(import.meta.url)("pulumi/package.json") as { version: string };
  const home = process.env["PULUMI_HOME"] ?? join(homedir(), ".pulumi");
  return join(home, "versions", version);
}

export function cliPath(): string {
  return join(cliRoot(), "bin", "pulumi");
}

/**
 * Skips the tests of a suite if the CLI is not installed.
 * @throws {Error} in CI.
 */
export function needCli(context: Mocha.Context): void {
  if (isExecutable(cliPath())) return;
  leaveOut(context, { program: "the Pulumi CLI", fix: "npx pulumi version" });
}
