/** What is wrong with an option, in the words of all command lines: parseArgs' own say less. */
import { suggest } from "../app/src/nearest.ts";

/** An option as parseArgs finds it in the arguments. */
export interface OptionToken {
  readonly name: string;
  /** As it was written. */
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

/** As parseArgs takes them, by name. */
export type OptionTypes = Readonly<Record<string, { readonly type: "string" | "boolean" }>>;

/** What stands where a value should be, and is the next option. A negative number is a value, if a wrong one. */
const LOOKS_LIKE_OPTION = /^-\D/;

/**
 * @param candidates names among which a misspelt one is sought; all by default.
 * @returns a sentence; `undefined` where nothing is wrong.
 */
export function problemOf(
  token: OptionToken,
  options: OptionTypes,
  candidates: readonly string[] = Object.keys(options),
): string | undefined {
  const type = Object.hasOwn(options, token.name) ? options[token.name]?.type : undefined;
  if (type === undefined)
    return `${token.rawName} is not an option${suggest(token.name, candidates, dashed)}`;
  if (type === "boolean") return token.value === undefined ? undefined : `${token.rawName} takes no value.`;
  const isNextOption = token.inlineValue !== true && LOOKS_LIKE_OPTION.test(token.value ?? "");
  return !token.value || isNextOption ? `${token.rawName} needs a value.` : undefined;
}

export function dashed(name: string): string {
  return `--${name}`;
}
