/** What is wrong with options, in the words of the command lines: parseArgs' own say less. */
import { suggest } from "../app/src/settings/nearest.ts";

/** What parseArgs finds in the arguments, as far as it matters here. */
type Token = OptionToken | { readonly kind: "positional" | "option-terminator" };

interface OptionToken {
  readonly kind: "option";
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

/** A command line that is wrong. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

/** @throws {UsageError} where there is any problem. */
export function refuse(problems: readonly string[]): void {
  if (problems.length > 0) throw new UsageError(problems);
}

/**
 * What is to be said alone where there is any: a word beside a wrong option may be its value, and a second complaint
 * about it would be noise.
 * @param candidates names among which a misspelt one is sought; all by default.
 * @returns a sentence for each option that is wrong.
 */
export function problemsOf(
  tokens: readonly Token[],
  options: OptionTypes,
  candidates: readonly string[] = Object.keys(options),
): readonly string[] {
  return tokens.flatMap((token) =>
    token.kind === "option" ? (problemOf(token, options, candidates) ?? []) : [],
  );
}

function problemOf(
  token: OptionToken,
  options: OptionTypes,
  candidates: readonly string[],
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
