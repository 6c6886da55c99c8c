/** Command-line options: each command has one table of them, which is parsed and described here. */
import { parseArgs } from "node:util";
import { ExpectedError } from "../app/src/settings/expectedError.ts";
import { quoteValue } from "../app/src/settings/definition.ts";
import { nearest } from "../app/src/settings/nearest.ts";
import { formatProblems, type Problem } from "../app/src/settings/problem.ts";

/** One option of a command. Its long name, without dashes, is the key of the command's table. */
export interface OptionDefinition {
  readonly type: "string" | "boolean";
  /** One letter, such as `h` for `-h`. */
  readonly short?: string;
  /** Whether a string may be given several times. */
  readonly multiple?: boolean;
  /** The value of a string that is not given. @default undefined */
  readonly default?: string;
  /** What the help shows in place of a string's value, such as `PORT`. */
  readonly value?: string;
  /** Text of the help, without a full stop. A line break starts another line of the help. */
  readonly description?: string;
}

export type OptionDefinitions = Readonly<Record<string, OptionDefinition>>;

/** As parseArgs takes them, by name. */
export type OptionTypes = Readonly<Record<string, Pick<OptionDefinition, "type">>>;

export type OptionValues<Definitions extends OptionDefinitions> = {
  readonly [Name in keyof Definitions]: Definitions[Name] extends { readonly type: "boolean" }
    ? boolean
    : Definitions[Name] extends { readonly multiple: true }
      ? readonly string[]
      : Definitions[Name] extends { readonly default: string }
        ? string
        : string | undefined;
};

export interface CommandLine<Definitions extends OptionDefinitions> {
  /** By name: `false` for a boolean, `[]` for a repeatable string, and the default for a string that is not given. */
  readonly values: OptionValues<Definitions>;
  /** The names of the options that the user gave. */
  readonly given: ReadonlySet<string>;
  /** Arguments that are no options, in their order. */
  readonly positionals: readonly string[];
}

/** What parseArgs finds in the arguments, as far as it matters here. */
type Token = OptionToken | { readonly kind: "positional" | "option-terminator" };

interface OptionToken {
  readonly kind: "option";
  readonly name: string;
  /** As the user wrote it. */
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

/** The names that Pulumi allows for stacks, except those that start with a digit: a number is more probably another value. */
const STACK_NAME = /^[a-z][\w.-]*$/i;

/** What stands in the place of a value, and is the next option. A negative number is a value, if a wrong one. */
const LOOKS_LIKE_OPTION = /^-\D/;

/**
 * Parses the arguments of a command, which start after the name of its file.
 * @param candidatesFor returns the names that may replace a misspelt one, given the positional arguments. @default all
 * @returns `undefined` if the arguments contain `--help`.
 * @throws {UsageError} that lists every option that is unknown, lacks its value, or takes none. Other mistakes are not
 * reported with these: a positional argument beside a wrong option may be its value.
 */
export function parseCommandLine<const Definitions extends OptionDefinitions>(
  args: readonly string[],
  definitions: Definitions,
  candidatesFor: (positionals: readonly string[]) => readonly string[] = () => Object.keys(definitions),
): CommandLine<Definitions> | undefined {
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    options: definitions,
    strict: false, // The errors below are more exact than those of parseArgs.
    allowPositionals: true,
    tokens: true,
  });
  const byName: Readonly<Record<string, unknown>> = values;
  if (byName["help"] === true) return undefined;
  assertNoProblems(problemsOf(tokens, definitions, candidatesFor(positionals)));

  const typed = Object.entries(definitions).map(([name, { type, multiple = false }]) => {
    if (type === "boolean") return [name, byName[name] === true] as const;
    return [name, byName[name] ?? (multiple ? [] : undefined)] as const;
  });
  return {
    values: Object.fromEntries(typed) as OptionValues<Definitions>, // problemsOf has checked every value's type.
    given: new Set(tokens.flatMap((token) => (token.kind === "option" ? [token.name] : []))),
    positionals,
  };
}

/** A wrong command line. The message has one line for each problem. */
export class UsageError extends ExpectedError {
  override readonly name = "UsageError";
  readonly problems: readonly Problem[];

  /** @param describeFix returns the command that fixes a problem, in backticks. @default no fix */
  constructor(problems: readonly Problem[], describeFix?: (problem: Problem) => string) {
    super(formatProblems(problems, describeFix).join("\n"));
    this.problems = problems;
  }
}

/** @throws {UsageError} if there is any problem. */
export function assertNoProblems(problems: readonly Problem[]): void {
  if (problems.length > 0) throw new UsageError(problems);
}

/** @param candidates names that may replace a misspelt one. */
function problemsOf(
  tokens: readonly Token[],
  options: OptionTypes,
  candidates: readonly string[],
): readonly Problem[] {
  return tokens.flatMap((token) =>
    token.kind === "option" ? (problemOf(token, options, candidates) ?? []) : [],
  );
}

function problemOf(
  token: OptionToken,
  options: OptionTypes,
  candidates: readonly string[],
): Problem | undefined {
  const { name, rawName: key, value } = token;
  const type = Object.hasOwn(options, name) ? options[name]?.type : undefined;
  if (type === undefined)
    return problem(key, "an unknown option", expectedName("option", name, candidates, dashed));
  if (type === "boolean")
    return value === undefined ? undefined : problem(key, JSON.stringify(value), "no value");
  const isNextOption = token.inlineValue !== true && LOOKS_LIKE_OPTION.test(value ?? "");
  return !value || isNextOption ? problem(key, "nothing", "a value") : undefined;
}

/** What is expected instead of a name that does not exist: the name that was probably meant, or else all names. */
export function expectedName(
  kind: string,
  name: string,
  candidates: readonly string[],
  write: (candidate: string) => string = (candidate) => candidate,
): string {
  const meant = nearest(name, candidates);
  return meant === undefined
    ? `one of ${candidates.map((candidate) => write(candidate)).join(", ")}`
    : `a known ${kind} (did you mean ${write(meant)}?)`;
}

/** The problem of a positional argument of a command that takes none. It may be a name for `--stack`, if there is such an option. */
export function problemWithArgument(argument: string, options: OptionTypes): Problem {
  const names = Object.keys(options);
  const isStack =
    names.includes("stack") && nearest(argument, names) === undefined && STACK_NAME.test(argument);
  const expected = isStack
    ? `an option (did you mean --stack ${argument}?)`
    : expectedName("option", argument, names, dashed);
  return problem(argument, "an unknown argument", expected);
}

export interface NumberRange {
  /** Both inclusive. */
  readonly min: number;
  /** @default no upper limit */
  readonly max?: number;
  /** Such as `seconds`. */
  readonly unit?: string;
}

/**
 * Parses the value of an option that is a whole number.
 * @param problems receives the problem if the text is no number in the range.
 * @returns NaN in that case.
 */
export function parseWholeNumber(
  name: string,
  text: string,
  { min, max = Infinity, unit }: NumberRange,
  problems: Problem[],
): number {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  const kind = unit === undefined ? "a whole number" : `a whole number of ${unit}`;
  const range = max === Infinity ? `, ${min} or more` : ` from ${min} to ${max}`;
  problems.push(problemWithValue(name, JSON.stringify(text), `${kind}${range}`));
  return NaN;
}

/**
 * Parses the value of an option that sets a key, such as `maxTasks=3`. The value may contain `=`.
 * @param problems receives the problem if the text has no key or no `=`. The key is empty in that case.
 */
export function parsePair(name: string, text: string, problems: Problem[]): readonly [string, string] {
  const [, key = "", value = ""] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (key === "") problems.push(problemWithValue(name, quoteValue(text), "KEY=VALUE"));
  return [key, value];
}

/** The problem of an option's value. @param got the value as it is shown, in quotes and without secrets. */
export function problemWithValue(name: string, got: string, expected: string): Problem {
  return problem(dashed(name), got, expected);
}

/** A problem that no command fixes. */
export function problem(key: string, got: string, expected: string): Problem {
  return { key, got, expected, fix: [] };
}

/** The lines of the help that describe a command's options, without a final line break. */
export function describeOptions(definitions: OptionDefinitions): string {
  const rows = Object.entries(definitions).map(([name, definition]) => {
    const { short, value, description = "", default: standard } = definition;
    const option = [...(short === undefined ? [] : [`-${short}`]), dashed(name)].join(", ");
    return {
      left: value === undefined ? option : `${option} ${value}`,
      lines: `${description}${standard === undefined ? "" : ` (default ${standard})`}`.split("\n"),
    };
  });
  const width = Math.max(...rows.map(({ left }) => left.length));
  return rows
    .flatMap(({ left, lines }) =>
      lines.map((line, at) => `  ${(at === 0 ? left : "").padEnd(width)}  ${line}`),
    )
    .join("\n");
}

export function dashed(name: string): string {
  return `--${name}`;
}
