/** The command line of `npm run simulate`. */
import { quoteValue } from "../app/src/settings/definition.ts";
import type { Problem } from "../app/src/settings/problem.ts";
import { commandWithArguments } from "../cli/commandNames.ts";
import {
  assertNoProblems,
  describeOptions,
  expectedName,
  problemWithArgument,
  type OptionDefinitions,
  parseCommandLine,
  parsePair,
  parseWholeNumber,
  problemWithValue,
} from "../cli/options.ts";
import { PROJECT_OPTIONS, SERVICE_OPTION } from "../local/evaluation.ts";
import { PROFILE_NAMES, type ProfileName, PROFILES } from "./load/profiles.ts";

export interface SimulateOptions {
  /** Folder of the project; `undefined`: the repository. */
  readonly cwd: string | undefined;
  /** `undefined`: the only one. */
  readonly service: string | undefined;
  /** One or two stacks that get the same load. */
  readonly sides: readonly Side[];
  readonly load: LoadChoice;
  /** File for the chart as SVG. */
  readonly svg: string | undefined;
  readonly json: boolean;
}

/** A stack, and values that replace those of its file, by key. */
export interface Side {
  /** `undefined`: `dev`, or the only stack. */
  readonly stack: string | undefined;
  readonly config: Readonly<Record<string, string>>;
}

export type LoadChoice =
  /** `peak`: connections; `undefined` for a number that fits the first stack. */
  { readonly profile: ProfileName; readonly peak: number | undefined } | { readonly file: string };

const MAX_PEAK = 100_000_000;

export const OPTIONS = {
  ...PROJECT_OPTIONS,
  service: SERVICE_OPTION,
  config: {
    type: "string",
    short: "c",
    multiple: true,
    value: "KEY=VALUE",
    description: "Overrides a key of the stack file; can be repeated",
  },
  compare: {
    type: "string",
    multiple: true,
    value: "OTHER",
    description:
      "Second simulation of the same load: a stack, or KEY=VALUE for\nthe same stack with another value; can be repeated",
  },
  load: {
    type: "string",
    value: "LOAD",
    default: "office-day",
    description: `${PROFILE_NAMES.join(", ")},\nor a CSV file`,
  },
  peak: {
    type: "string",
    value: "N",
    description:
      "Connections at the peak of a load that is no file\n(default 70 % of what the maximum number of tasks is declared for)",
  },
  svg: { type: "string", value: "FILE", description: "Write the charts to this file" },
  json: { type: "boolean", description: "Print one JSON document instead of charts" },
  help: { type: "boolean", short: "h", description: "Print this help" },
} as const satisfies OptionDefinitions;

export const HELP = `Runs the declared autoscaler of a stack against a load, in virtual time and without a cloud (docs/simulate.md).

Usage: ${commandWithArguments("simulate")} [options]

${describeOptions(OPTIONS)}

Loads:
${PROFILE_NAMES.map((name) => `  ${name.padEnd(16)}  ${PROFILES[name].description}`).join("\n")}

A CSV file has the columns minute, connects, disconnects and messages. \`${commandWithArguments("load-test")} URL --record FILE\` writes one.
`;

/**
 * @returns `undefined` if the arguments contain `--help`.
 * @throws {UsageError} that lists every option that is wrong, or else every wrong value, each with what is expected.
 */
export function parseOptions(args: readonly string[]): SimulateOptions | undefined {
  const commandLine = parseCommandLine(args, OPTIONS);
  if (commandLine === undefined) return undefined;
  const { values, positionals } = commandLine;
  const problems = positionals.map((argument) => problemWithArgument(argument, OPTIONS));

  const first: Side = {
    stack: values.stack,
    config: Object.fromEntries(values.config.map((text) => parsePair("config", text, problems))),
  };
  const [stack, ...otherStacks] = values.compare.filter((text) => !text.includes("="));
  if (otherStacks.length > 0) {
    problems.push(
      problemWithValue("compare", quoteValue(values.compare.join(" ")), "at most one other stack"),
    );
  }
  const changes = values.compare.filter((text) => text.includes("="));
  const second: Side = {
    stack: stack ?? first.stack,
    config: {
      ...first.config,
      ...Object.fromEntries(changes.map((text) => parsePair("compare", text, problems))),
    },
  };

  const peak =
    values.peak === undefined
      ? undefined
      : parseWholeNumber("peak", values.peak, { min: 1, max: MAX_PEAK, unit: "connections" }, problems);
  const load = chooseLoad(values.load, peak, problems);
  assertNoProblems(problems);
  return {
    cwd: values.cwd,
    service: values.service,
    sides: values.compare.length === 0 ? [first] : [first, second],
    load,
    svg: values.svg,
    json: values.json,
  };
}

function chooseLoad(text: string, peak: number | undefined, problems: Problem[]): LoadChoice {
  const profile = PROFILE_NAMES.find((name) => name === text);
  if (profile !== undefined) return { profile, peak };
  if (!/[./\\]/.test(text)) {
    const expected = expectedName("load", text, [...PROFILE_NAMES, "FILE.csv"]);
    problems.push(problemWithValue("load", quoteValue(text), expected));
  } else if (peak !== undefined) {
    problems.push(problemWithValue("peak", String(peak), "no value, because the file has its own counts"));
  }
  return { file: text };
}
