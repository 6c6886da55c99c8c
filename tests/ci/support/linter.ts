/** Programs that the tests start, where the machine has them. */
import { spawnSync } from "node:child_process";
import { homedir } from "node:os";
import path from "node:path";

import { isExecutable } from "../../../cli/executable.ts";
import { leaveOut } from "../../support/leaveOut.ts";

/** How each of them is installed. */
const FIXES = {
  actionlint: ".ci/install-linters",
  hadolint: ".ci/install-linters",
  jq: "apt-get install jq",
} as const;

export type Program = keyof typeof FIXES;

/** Folders of the PATH, and where .ci/install-linters puts what it installs. */
const FOLDERS = [...(process.env["PATH"] ?? "").split(path.delimiter), path.join(homedir(), ".local/bin")];

/**
 * Skips the test if there is no such program.
 * @returns its path.
 * @throws {Error} in CI, which must not pass without it.
 */
export function needProgram(context: Mocha.Context, name: Program): string {
  const found = FOLDERS.map((folder) => path.join(folder, name)).find(isExecutable);
  if (found !== undefined) return found;
  leaveOut(context, { program: name, fix: FIXES[name] });
}

/** What a linter found in files, or "" where it found nothing. */
export function findings(linter: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(linter, args, { cwd, encoding: "utf8" });
  return status === 0 ? "" : `exit code ${String(status)}\n${stdout}${stderr}`;
}
