/** The command line of the benchmark. */
import { parseArgs } from "node:util";

import { suggest } from "../app/src/settings/nearest.ts";
import { dashed, problemsOf, refuse } from "../cli/options.ts";
import { CASES, FULL_EFFORT, GROUPS, QUICK_EFFORT } from "./cases.ts";
import type { Case, Effort } from "./cases.ts";

const MAX_REPETITIONS = 100;

export const OPTIONS = {
  cases: { type: "string", value: "a,b", description: "Only these cases or groups of cases" },
  reps: {
    type: "string",
    value: "N",
    description: `Repetitions of each case (default ${FULL_EFFORT.repetitions})`,
  },
  quick: { type: "boolean", description: "Once each, and shorter: to see that it works, not to quote" },
  peers: { type: "boolean", description: "Measure Socket.IO, too; installs it the first time" },
  json: {
    type: "string",
    value: "FILE",
    description: "Where the figures go (default bench/results/TIME.json)",
  },
  help: { type: "boolean", description: "Print this" },
} as const;

export interface Options {
  /** In the order in which they are measured. */
  readonly cases: readonly Case[];
  readonly effort: Effort;
  readonly peers: boolean;
  /** A file for the figures; `undefined` for the usual place. */
  readonly json: string | undefined;
}

/**
 * Reads a command line, given without the program's own name. `--help` asks for {@link usage} instead.
 * @throws {UsageError} listing every option that is wrong, or else every word and value, with the nearest legal word.
 */
export function parseOptions(args: readonly string[]): Options | "help" {
  // Not strict: problems are collected, and told in this project's words.
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    options: OPTIONS,
    strict: false,
    tokens: true,
  });
  refuse(problemsOf(tokens, OPTIONS));
  if (values.help === true) return "help";
  const problems = positionals.map(
    (word) => `${JSON.stringify(word)} is not an option${suggest(word, Object.keys(OPTIONS), dashed)}`,
  );

  const effort = values.quick === true ? QUICK_EFFORT : FULL_EFFORT;
  const text = (value: string | boolean | undefined) => (typeof value === "string" ? value : undefined);
  const options: Options = {
    cases: readCases(text(values.cases), problems),
    effort: { ...effort, repetitions: readRepetitions(text(values.reps), problems) ?? effort.repetitions },
    peers: values.peers === true,
    json: text(values.json),
  };
  refuse(problems);
  return options;
}

/** What the command line may say, for people. */
export function usage(): string {
  const optionLines = Object.entries(OPTIONS).map(([name, definition]) =>
    line(`--${name}${"value" in definition ? ` ${definition.value}` : ""}`, definition.description),
  );
  return [
    "Usage: npm run bench [-- options]",
    "",
    ...optionLines,
    ...GROUPS.flatMap((group) => [
      "",
      group,
      ...CASES.filter((each) => each.group === group).map(({ name, title }) => line(name, title)),
    ]),
    "",
    "Ends with 0 when every run counts, 1 when one is void or a server does not start, 2 when the command line is wrong.",
    "",
  ].join("\n");
}

function readCases(text: string | undefined, problems: string[]): readonly Case[] {
  if (text === undefined) return CASES;
  const words = text.split(",");
  const names = [...CASES.map(({ name }) => name), ...GROUPS];
  for (const word of words) {
    if (!names.includes(word)) problems.push(`${JSON.stringify(word)} is not a case${suggest(word, names)}`);
  }
  return CASES.filter(({ name, group }) => words.includes(name) || words.includes(group));
}

function readRepetitions(text: string | undefined, problems: string[]): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (value >= 1 && value <= MAX_REPETITIONS) return value;
  problems.push(
    `--reps is ${JSON.stringify(text)}, and must be a whole number from 1 to ${MAX_REPETITIONS}.`,
  );
  return undefined;
}

function line(word: string, description: string): string {
  return `  ${word.padEnd("tasks-f1000p10".length)}  ${description}`;
}
