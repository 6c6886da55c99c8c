/** Tests that need a program that the machine may lack: they are skipped, and the report names the program. */
import { appendFileSync, readFileSync } from "node:fs";

/** A program that tests need. */
export interface Requirement {
  readonly program: string;
  /** Command that installs it. */
  readonly fix: string;
}

/** Path of the file that collects the missing programs: in a parallel run, each worker process appends to it. */
export const LEFT_OUT_FILE = "TESTS_LEFT_OUT_FILE";

/**
 * Skips the test or the suite.
 * @throws {Error} if `CI` is "true": CI must not pass without them.
 */
export function leaveOut(context: Mocha.Context, { program, fix }: Requirement): never {
  if (process.env["CI"] === "true") throw new Error(`CI needs ${program} for this test. Fix: \`${fix}\``);
  const file = process.env[LEFT_OUT_FILE];
  if (file !== undefined) appendFileSync(file, `${program}: \`${fix}\`\n`);
  return context.skip();
}

/** Every missing program with the command that installs it, once each. */
export function readLeftOut(file: string): readonly string[] {
  return [...new Set(readFileSync(file, "utf8").split("\n").filter(Boolean))];
}
