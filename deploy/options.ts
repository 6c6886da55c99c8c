/** The command line. */
import type { Problem } from "../app/src/settings/problem.ts";
import {
  dashed,
  describeOptions,
  expectedName,
  parseCommandLine,
  parseWholeNumber,
  problem,
  problemWithValue,
  assertNoProblems,
  UsageError,
} from "../cli/options.ts";
import { isStackName, shortName } from "./stack/stackName.ts";

export type CommandName =
  "up" | "preview" | "refresh" | "destroy" | "outputs" | "status" | "smoke" | "rotate-secret" | "sweep";

export interface DeployOptions {
  readonly command: CommandName;
  /** Empty for `sweep`, which processes all stacks. */
  readonly stack: string;
  /** Whether to skip all questions. */
  readonly yes: boolean;
  readonly refresh: boolean;
  /** Whether to run the policy pack. */
  readonly policy: boolean;
  readonly smoke: boolean;
  readonly smokeTimeoutSeconds: number;
  /** The stack whose configuration an ephemeral stack copies, and the lifetime. */
  readonly ephemeral: { readonly from: string; readonly lifetimeMs: number } | undefined;
  readonly expectNoChanges: boolean;
  /** File for the summary of a preview. */
  readonly markdown: string | undefined;
  readonly json: boolean;
}

export const DEFAULT_SMOKE_TIMEOUT_SECONDS = 300;
const MAX_SMOKE_TIMEOUT_SECONDS = 3600;

const UNIT_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const MAX_LIFETIME_MS = 30 * UNIT_MS.d;

/** Each command with its description and its options. */
const COMMANDS: Readonly<Record<CommandName, readonly [does: string, ...options: string[]]>> = {
  up: [
    "create or update the stack, then run the smoke test",
    ...["yes", "refresh", "no-policy", "no-smoke", "smoke-timeout", "from", "expires"],
  ],
  preview: ["show what up would change", "refresh", "no-policy", "expect-no-changes", "markdown"],
  refresh: ["update the state with the changes in AWS"],
  destroy: ["delete all resources of the stack", "yes"],
  outputs: ["print the outputs", "json"],
  status: ["print the last update, resources, pending operations and outputs"],
  smoke: [
    "send a message through the edge and back, and check that the edge cannot be bypassed",
    "smoke-timeout",
  ],
  "rotate-secret": [
    "give CloudFront and the load balancer a new secret without downtime",
    ...["yes", "no-policy", "no-smoke", "smoke-timeout"],
  ],
  sweep: ["destroy the stacks that have expired", "yes"],
};

const COMMAND_NAMES = Object.keys(COMMANDS) as CommandName[]; // Object.keys returns string[].

export const OPTIONS = {
  yes: { type: "boolean", description: "(up, destroy, rotate-secret, sweep) skip all questions; for CI" },
  refresh: { type: "boolean", description: "(up, preview) first update the state with the changes in AWS" },
  "no-policy": {
    type: "boolean",
    description: "(up, preview, rotate-secret) skip the policy pack (docs/policy.md)",
  },
  "no-smoke": { type: "boolean", description: "(up, rotate-secret) skip the smoke test" },
  "smoke-timeout": {
    type: "string",
    value: "SECONDS",
    default: String(DEFAULT_SMOKE_TIMEOUT_SECONDS),
    description: "(up, rotate-secret, smoke) limit of the smoke test",
  },
  from: {
    type: "string",
    value: "STACK",
    description: "(up) create an ephemeral stack with that stack's configuration ...",
  },
  expires: {
    type: "string",
    value: "TIME",
    description: "(up) ... which sweep destroys after that time: 90m, 24h, 7d",
  },
  "expect-no-changes": { type: "boolean", description: "(preview) exit code 1 if there are changes" },
  markdown: { type: "string", value: "FILE", description: "(preview) write a summary for a pull request" },
  json: { type: "boolean", description: "(outputs) print JSON" },
  help: { type: "boolean", short: "h", description: "print this text" },
} as const;

export const HELP = `Deploys the stack to AWS: the same program and the same stack files as \`pulumi up\`.

Usage: npm run deploy -- COMMAND STACK [options]

STACK is the stack's name, alone or as ORG/STACK or ORG/PROJECT/STACK.

${Object.entries(COMMANDS)
  .map(([name, [does]]) => `  ${name.padEnd("rotate-secret".length)}  ${does}`)
  .join("\n")}

${describeOptions(OPTIONS)}

If the stack requires a token, SMOKE_TOKEN is the token of the smoke test.
Exit codes: 0 done, 1 failed, 2 not started, 130 interrupted. Ctrl-C cancels; a second one ends at once.
`;

/**
 * @returns `undefined` for --help.
 * @throws {UsageError} with all wrong options, or else all wrong words, or else all wrong values.
 */
export function parseOptions(args: readonly string[]): DeployOptions | undefined {
  const commandLine = parseCommandLine(args, OPTIONS, ([word]) => allowedOptions(commandNamed(word)));
  if (commandLine === undefined) return undefined;
  const { values, given, positionals } = commandLine;
  const [word, stack = "", ...rest] = positionals;
  const command = commandNamed(word);
  if (command === undefined)
    throw new UsageError([
      problem(
        "COMMAND",
        word === undefined ? "nothing" : JSON.stringify(word),
        expectedName("command", word ?? "", COMMAND_NAMES),
      ),
    ]);
  const allowed = allowedOptions(command);
  const options = `one of ${allowed.map(dashed).join(", ")}`;
  const problems = [...given]
    .filter((name) => !allowed.includes(name))
    .map((name) => problemWithValue(name, `an option that ${command} does not have`, options));
  const expectStack = (expected: string): void => {
    problems.push(problem("STACK", stack === "" ? "nothing" : JSON.stringify(stack), expected));
  };
  if (command === "sweep") {
    if (stack !== "") expectStack("no stack, because sweep processes all stacks");
  } else if (stack === "") {
    expectStack(`a stack, such as \`npm run deploy -- ${command} dev\``);
  } else if (!isStackName(stack)) {
    expectStack(
      "STACK, ORG/STACK or ORG/PROJECT/STACK, each of 1 to 100 letters, digits, hyphens, dots and underscores",
    );
  }
  problems.push(...rest.map((extra) => problem(extra, "another argument", "one stack")));
  // The values depend on the command and its options.
  assertNoProblems(problems);

  const range = { min: 1, max: MAX_SMOKE_TIMEOUT_SECONDS, unit: "seconds" };
  const smokeTimeoutSeconds = parseWholeNumber("smoke-timeout", values["smoke-timeout"], range, problems);
  const ephemeral = parseEphemeral(stack, values.from, values.expires, problems);
  assertNoProblems(problems);

  return {
    command,
    stack,
    yes: values.yes,
    refresh: values.refresh,
    policy: !values["no-policy"],
    smoke: !values["no-smoke"],
    smokeTimeoutSeconds,
    ephemeral,
    expectNoChanges: values["expect-no-changes"],
    markdown: values.markdown,
    json: values.json,
  };
}

function commandNamed(word: string | undefined): CommandName | undefined {
  return COMMAND_NAMES.find((name) => name === word);
}

function allowedOptions(command: CommandName | undefined): readonly string[] {
  return command === undefined ? Object.keys(OPTIONS) : [...COMMANDS[command].slice(1), "help"];
}

function parseEphemeral(
  stack: string,
  from: string | undefined,
  expires: string | undefined,
  problems: Problem[],
): DeployOptions["ephemeral"] {
  if (from === undefined && expires === undefined) return undefined;
  if (from === undefined || expires === undefined) {
    const [missing, given, example] =
      from === undefined ? (["from", "expires", "dev"] as const) : (["expires", "from", "24h"] as const);
    problems.push(
      problemWithValue(missing, "nothing", `a value such as ${example}, which --${given} requires`),
    );
    return undefined;
  }
  if (shortName(from) === shortName(stack)) problems.push(problemWithValue("from", from, "another stack"));
  const [, count, unit = ""] = /^(\d+)([mhd])$/.exec(expires) ?? [];
  const lifetimeMs = unit === "" ? NaN : Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS]; // As matched.
  if (!(lifetimeMs > 0 && lifetimeMs <= MAX_LIFETIME_MS)) {
    const expected = `minutes, hours or days such as 90m, 24h or 7d, at most ${MAX_LIFETIME_MS / UNIT_MS.d}d`;
    problems.push(problemWithValue("expires", JSON.stringify(expires), expected));
  }
  return { from, lifetimeMs };
}
