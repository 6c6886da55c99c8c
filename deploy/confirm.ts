/** Asks before data is lost. */
import { ExpectedError } from "../app/src/settings/expectedError.ts";
import type { Context } from "./context.ts";

export interface Confirmation {
  /** The command, for example `destroy dev`. */
  readonly what: string;
  /** Printed before the question. */
  readonly details: readonly string[];
  /** The answer that agrees. A whole word prevents agreement by mistake. */
  readonly word: string;
}

/** @throws {ExpectedError} if the answer is another one, or without a terminal. */
export async function confirm(
  { ask, print }: Pick<Context, "ask" | "print">,
  { what, details, word }: Confirmation,
): Promise<void> {
  for (const line of details) print(`  ${line}`);
  if (ask === undefined)
    throw new ExpectedError(`${what} asks for confirmation, and there is no terminal. Fix: add --yes.`);
  const answer = await ask(`${what}: type ${word} to continue: `);
  if (answer.trim() !== word) throw new ExpectedError("Nothing has been changed.");
}
