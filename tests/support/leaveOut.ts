/** Tests that need a program which the machine may lack: they are skipped, and the report names the program. */

/** A program that tests need, and the command that installs it. */
export interface Requirement {
  readonly program: string;
  readonly fix: string;
}

const lacking = new Map<string, string>();

/**
 * Skips the test or the suite.
 * @throws {Error} if `CI` is "true": CI must not pass without them.
 */
export function leaveOut(context: Mocha.Context, { program, fix }: Requirement): never {
  if (process.env["CI"] === "true") throw new Error(`CI needs ${program} for this test. Fix: \`${fix}\``);
  lacking.set(program, fix);
  return context.skip();
}

/** Every program that was lacking so far, with the command that installs it, in one line. */
export function describeLeftOut(): string {
  return [...lacking].map(([program, fix]) => `${program}: \`${fix}\``).join("; ");
}
