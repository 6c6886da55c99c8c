/** The command line of the benchmark. */
import type { Problem } from "../app/src/settings/problem.ts";
import {
  describeOptions,
  expectedName,
  problemWithArgument,
  parseCommandLine,
  parseWholeNumber,
  problemWithValue,
  assertNoProblems,
} from "../cli/options.ts";
import { FULL_EFFORT, GROUPS, QUICK_EFFORT } from "./case.ts";
import { CASES } from "./cases/index.ts";
import type { Case, Effort } from "./case.ts";

const MAX_REPETITIONS = 100;

export const OPTIONS = {
  cases: { type: "string", value: "a,b", description: "Only these cases or groups of cases" },
  reps: {
    type: "string",
    value: "N",
    description: `Repetitions of each case (default ${FULL_EFFORT.repetitions})`,
  },
  quick: { type: "boolean", description: "One short run per case, to check that everything works" },
  peers: { type: "boolean", description: "Measure Socket.IO too; installs it the first time" },
  base: {
    type: "string",
    value: "FOLDER",
    description: "Measure the server of another checkout too, with its dependencies installed",
  },
  capacity: {
    type: "boolean",
    description:
      "Measure what a task carries instead of the cases, and write docs/capacity.md; about 3 minutes",
  },
  json: {
    type: "string",
    value: "FILE",
    description: "File for the figures (default bench/results/TIME.json)",
  },
  help: { type: "boolean", description: "Print this text" },
} as const;

const NAME_WIDTH = Math.max(...CASES.map(({ name }) => name.length));

export const HELP = `Usage: npm run bench [-- options]

${describeOptions(OPTIONS)}

${GROUPS.map((group) =>
  [
    group,
    ...CASES.filter((each) => each.group === group).map(
      ({ name, title }) => `  ${name.padEnd(NAME_WIDTH)}  ${title}`,
    ),
  ].join("\n"),
).join("\n\n")}

Exit codes: 0 every run counts, 1 a run is void or a server does not start, 2 the command line is wrong.
`;

export interface BenchOptions {
  /** In the order in which they are measured. */
  readonly cases: readonly Case[];
  readonly effort: Effort;
  readonly peers: boolean;
  /** Root of another checkout; `undefined` for none. */
  readonly base: string | undefined;
  /** Whether to measure the capacity of a task instead of the cases. */
  readonly capacity: boolean;
  /** File for the figures; `undefined` for the default. */
  readonly json: string | undefined;
}

/**
 * Parses the arguments, which start after the name of the command's file.
 * @returns `undefined` for --help.
 * @throws {UsageError} with all wrong options, or else all wrong words and values.
 */
export function parseOptions(args: readonly string[]): BenchOptions | undefined {
  const commandLine = parseCommandLine(args, OPTIONS);
  if (commandLine === undefined) return undefined;
  const { values, positionals } = commandLine;
  const problems = positionals.map((word) => problemWithArgument(word, OPTIONS));
  const effort = values.quick ? QUICK_EFFORT : FULL_EFFORT;
  const range = { min: 1, max: MAX_REPETITIONS };
  const options: BenchOptions = {
    cases: selectCases(values.cases, problems),
    effort: {
      ...effort,
      repetitions:
        values.reps === undefined
          ? effort.repetitions
          : parseWholeNumber("reps", values.reps, range, problems),
    },
    peers: values.peers,
    base: values.base,
    capacity: values.capacity,
    json: values.json,
  };
  assertNoProblems(problems);
  return options;
}

function selectCases(text: string | undefined, problems: Problem[]): readonly Case[] {
  if (text === undefined) return CASES;
  const words = text.split(",");
  const names = [...CASES.map(({ name }) => name), ...GROUPS];
  for (const word of words) {
    if (names.includes(word)) continue;
    problems.push(problemWithValue("cases", JSON.stringify(word), expectedName("case", word, names)));
  }
  return CASES.filter(({ name, group }) => words.includes(name) || words.includes(group));
}
