/** The command line. */
import { parseArgs } from "node:util";
import { suggest } from "../app/src/settings/nearest.ts";
import { dashed, problemsOf, refuse, UsageError } from "../cli/options.ts";
import { isStackName, shortName } from "./stack/stackName.ts";

export type CommandName =
  "up" | "preview" | "refresh" | "destroy" | "outputs" | "status" | "smoke" | "rotate-secret" | "sweep";

export interface Options {
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

const COMMANDS: Readonly<
  Record<CommandName, { readonly does: string; readonly options: readonly string[] }>
> = {
  up: {
    does: "create or update the stack, then run the smoke test",
    options: ["yes", "refresh", "no-policy", "no-smoke", "smoke-timeout", "from", "expires"],
  },
  preview: {
    does: "show what up would change",
    options: ["refresh", "no-policy", "expect-no-changes", "markdown"],
  },
  refresh: { does: "update the state with the changes in AWS", options: [] },
  destroy: { does: "delete all resources of the stack", options: ["yes"] },
  outputs: { does: "print the outputs", options: ["json"] },
  status: { does: "print the last update, resources, pending operations and outputs", options: [] },
  smoke: {
    does: "send a message through the edge and back, and check that the edge cannot be bypassed",
    options: ["smoke-timeout"],
  },
  "rotate-secret": {
    does: "give CloudFront and the load balancer a new secret without downtime",
    options: ["yes", "no-policy", "no-smoke", "smoke-timeout"],
  },
  sweep: { does: "destroy the stacks that have expired", options: ["yes"] },
};

const COMMAND_NAMES = Object.keys(COMMANDS) as CommandName[]; // Object.keys returns string[].

export const OPTIONS = {
  yes: { type: "boolean" },
  refresh: { type: "boolean" },
  "no-policy": { type: "boolean" },
  "no-smoke": { type: "boolean" },
  "smoke-timeout": { type: "string" },
  from: { type: "string" },
  expires: { type: "string" },
  "expect-no-changes": { type: "boolean" },
  markdown: { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

export const HELP = `Deploys the stack to AWS: the same program and the same stack files as \`pulumi up\`.

Usage: npm run deploy -- COMMAND STACK [options]

STACK is the stack's name, alone or as ORG/STACK or ORG/PROJECT/STACK.

${Object.entries(COMMANDS)
  .map(([name, { does }]) => `  ${name.padEnd("rotate-secret".length)}  ${does}`)
  .join("\n")}

  --yes                   (up, destroy, rotate-secret, sweep) skip all questions; for CI
  --refresh               (up, preview) first update the state with the changes in AWS
  --no-policy             (up, preview, rotate-secret) skip the policy pack (docs/policy.md)
  --no-smoke              (up, rotate-secret) skip the smoke test
  --smoke-timeout SECONDS (up, rotate-secret, smoke) limit of the smoke test (default ${DEFAULT_SMOKE_TIMEOUT_SECONDS})
  --from STACK            (up) create an ephemeral stack with that stack's configuration ...
  --expires TIME          (up) ... which sweep destroys after that time: 90m, 24h, 7d
  --expect-no-changes     (preview) exit code 1 if there are changes
  --markdown FILE         (preview) write a summary for a pull request
  --json                  (outputs) print JSON
  -h, --help              print this text

If the stack requires a token, SMOKE_TOKEN is the token of the smoke test.
Exit codes: 0 done, 1 failed, 2 not started, 130 interrupted. Ctrl-C cancels; a second one ends at once.
`;

/**
 * @returns `undefined` for --help.
 * @throws {UsageError} with all wrong options, or else all wrong words, or else all wrong values.
 */
export function parseOptions(args: readonly string[]): Options | undefined {
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    options: OPTIONS,
    strict: false, // The errors below are more detailed than those of parseArgs.
    allowPositionals: true,
    tokens: true,
  });
  if (values.help === true) return undefined;

  const [commandText, stack = "", ...rest] = positionals;
  const named = COMMAND_NAMES.find((name) => name === commandText);
  const allowed = named === undefined ? Object.keys(OPTIONS) : [...COMMANDS[named].options, "help"];
  refuse(problemsOf(tokens, OPTIONS, allowed));
  const command = named ?? noCommand(commandText);
  const problems = Object.keys(values)
    .filter((name) => !allowed.includes(name))
    .map(
      (name) => `${dashed(name)} is not an option of ${command}; expected ${allowed.map(dashed).join(", ")}.`,
    );
  problems.push(...rest.map((word) => `${JSON.stringify(word)} is one word too many.`));
  if (command === "sweep") {
    if (stack !== "") problems.push("sweep takes no stack: it processes all stacks.");
  } else if (stack === "") {
    problems.push(`The stack is missing; for example \`npm run deploy -- ${command} dev\``);
  } else if (!isStackName(stack)) {
    problems.push(
      `\`STACK\`: got ${JSON.stringify(stack)}; expected STACK, ORG/STACK or ORG/PROJECT/STACK, each of 1 to 100 letters, digits, hyphens, dots and underscores.`,
    );
  }
  // The values depend on the command and its options.
  refuse(problems);

  const smokeTimeoutSeconds = Number(values["smoke-timeout"] ?? DEFAULT_SMOKE_TIMEOUT_SECONDS);
  if (!(
    Number.isInteger(smokeTimeoutSeconds) &&
    smokeTimeoutSeconds >= 1 &&
    smokeTimeoutSeconds <= MAX_SMOKE_TIMEOUT_SECONDS
  )) {
    problems.push(
      `\`--smoke-timeout\`: got ${JSON.stringify(values["smoke-timeout"])}; expected whole seconds from 1 to ${MAX_SMOKE_TIMEOUT_SECONDS}.`,
    );
  }
  const ephemeral = parseEphemeral(stack, text(values.from), text(values.expires), problems);
  refuse(problems);

  return {
    command,
    stack,
    yes: values.yes === true,
    refresh: values.refresh === true,
    policy: values["no-policy"] !== true,
    smoke: values["no-smoke"] !== true,
    smokeTimeoutSeconds,
    ephemeral,
    expectNoChanges: values["expect-no-changes"] === true,
    markdown: text(values.markdown),
    json: values.json === true,
  };
}

function noCommand(word: string | undefined): never {
  if (word === undefined)
    throw new UsageError([`The command is missing; expected ${COMMAND_NAMES.join(", ")}.`]);
  throw new UsageError([`${JSON.stringify(word)} is not a command${suggest(word, COMMAND_NAMES)}`]);
}

function parseEphemeral(
  stack: string,
  from: string | undefined,
  expires: string | undefined,
  problems: string[],
): Options["ephemeral"] {
  if (from === undefined && expires === undefined) return undefined;
  if (from === undefined || expires === undefined) {
    problems.push("--from and --expires require each other; for example --from dev --expires 24h.");
    return undefined;
  }
  if (shortName(from) === shortName(stack)) problems.push(`\`--from\`: got ${from}; expected another stack.`);
  const [, count, unit = ""] = /^(\d+)([mhd])$/.exec(expires) ?? [];
  const lifetimeMs = unit === "" ? NaN : Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS]; // As matched.
  if (!(lifetimeMs > 0 && lifetimeMs <= MAX_LIFETIME_MS)) {
    problems.push(
      `\`--expires\`: got ${JSON.stringify(expires)}; expected minutes, hours or days such as 90m, 24h or 7d, at most ${MAX_LIFETIME_MS / UNIT_MS.d}d.`,
    );
  }
  return { from, lifetimeMs };
}

function text(value: string | boolean | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}
