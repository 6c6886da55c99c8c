/** Programs that the tests start, where the machine has them. */
import { spawnSync } from "node:child_process";
import { homedir } from "node:os";
import path from "node:path";

import { isExecutable } from "../../../cli/executable.ts";

/** Folders of the PATH, and where .ci/install-linters puts what it installs. */
const FOLDERS = [...(process.env["PATH"] ?? "").split(path.delimiter), path.join(homedir(), ".local/bin")];

/**
 * Skips the test, and says so, where there is no such program.
 * @returns its path.
 * @throws {Error} in CI, which must not pass without it.
 */
export function needProgram(context: Mocha.Context, name: string): string {
  const found = FOLDERS.map((folder) => path.join(folder, name)).find(isExecutable);
  if (found !== undefined) return found;
  const reason = `There is no ${name} here; .ci/run installs it.`;
  if (process.env["CI"] === "true") throw new Error(reason);
  console.warn(`    SKIPPED: ${reason}`);
  return context.skip();
}

/** What a linter found in files, or "" where it found nothing. */
export function findings(linter: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(linter, args, { cwd, encoding: "utf8" });
  return status === 0 ? "" : `exit code ${String(status)}\n${stdout}${stderr}`;
}
