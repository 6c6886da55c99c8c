/** The command line of `npm run policy`. */
import { commandWithArguments } from "../cli/commandNames.ts";
import {
  describeOptions,
  problemWithArgument,
  type OptionDefinitions,
  parseCommandLine,
  assertNoProblems,
} from "../cli/options.ts";

export interface PolicyOptions {
  /** `undefined`: every stack that has a file, and the examples. */
  readonly stack: string | undefined;
}

export const OPTIONS = {
  stack: {
    type: "string",
    value: "NAME",
    description:
      "Stack whose Pulumi.NAME.yaml is read (default every stack that has a file,\nand the examples in docs/)",
  },
  help: { type: "boolean", short: "h", description: "Print this help" },
} as const satisfies OptionDefinitions;

export const HELP = `Checks the declared resources of the stacks against the rules of the policy pack (docs/policy.md), without a cloud.
Exits with 1 if a rule is violated without a suppression, or if a suppression has no effect.

Usage: ${commandWithArguments("policy")} [options]

${describeOptions(OPTIONS)}
`;

/**
 * @returns `undefined` if the arguments contain `--help`.
 * @throws {UsageError} that lists every wrong option, or else every argument that is no option.
 */
export function parseOptions(args: readonly string[]): PolicyOptions | undefined {
  const commandLine = parseCommandLine(args, OPTIONS);
  if (commandLine === undefined) return undefined;
  assertNoProblems(commandLine.positionals.map((argument) => problemWithArgument(argument, OPTIONS)));
  return { stack: commandLine.values.stack };
}
