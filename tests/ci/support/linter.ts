/** Programs of the machine that the tests start. */
import { spawnSync } from "node:child_process";
import { homedir } from "node:os";
import path from "node:path";

import { isExecutable } from "../../../cli/executable.ts";
import { leaveOut } from "../../support/leaveOut.ts";

/** Commands that install them. */
const FIXES = {
  actionlint: ".ci/install-linters",
  hadolint: ".ci/install-linters",
  jq: "apt-get install jq",
} as const;

export type Program = keyof typeof FIXES;

/** The folders of the PATH, and the one of .ci/install-linters. */
const FOLDERS = [...(process.env["PATH"] ?? "").split(path.delimiter), path.join(homedir(), ".local/bin")];

/**
 * Skips the test if there is no such program.
 * @returns its path.
 * @throws {Error} if `CI` is "true".
 */
export function needProgram(context: Mocha.Context, name: Program): string {
  const found = FOLDERS.map((folder) => path.join(folder, name)).find(isExecutable);
  if (found !== undefined) return found;
  leaveOut(context, { program: name, fix: FIXES[name] });
}

/** Output of a linter with findings; "" if there are none. */
export function findings(linter: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(linter, args, { cwd, encoding: "utf8" });
  return status === 0 ? "" : `exit code ${String(status)}\n${stdout}${stderr}`;
}
