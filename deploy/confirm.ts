/** Asks before something is lost. */
import type { Context } from "./context.ts";
import { PreconditionError } from "./preconditions.ts";
import { CHANGES, nameAndType } from "./progress/text.ts";
import type { Loss } from "./stateful.ts";

/**
 * @param what is about to happen, such as `destroy dev`.
 * @param word to be typed, so that nobody agrees by reflex.
 * @throws {PreconditionError} where the answer is another one, or nobody can be asked.
 */
export async function confirm(
  { ask, say }: Pick<Context, "ask" | "say">,
  {
    what,
    details,
    word,
  }: { readonly what: string; readonly details: readonly string[]; readonly word: string },
): Promise<void> {
  for (const line of details) say(`  ${line}`);
  if (ask === undefined)
    throw new PreconditionError(`${what} needs --yes, because there is no terminal to ask on.`);
  const answer = await ask(`${what}: type ${word} to go on: `);
  if (answer.trim() !== word) throw new PreconditionError("Nothing has been changed.");
}

export function describeLoss({ resource, what }: Loss): string {
  return `${nameAndType(resource)} would be ${CHANGES[resource.change].done}: ${what} would be lost`;
}
