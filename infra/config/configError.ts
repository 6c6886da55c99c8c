/** The error of a configuration or of arguments that cannot be used, with the changes that fix it. */
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { formatProblems } from "../../app/src/settings/problem.ts";
import type { Change, Problem } from "../../app/src/settings/problem.ts";
import { quoteForShell } from "./shellWords.ts";

/** Every problem of a configuration at once. */
export class ConfigError extends ExpectedError {
  override readonly name = "ConfigError";
  /** Makes it a `RunError`, which the Pulumi CLI prints without a stack trace (pulumi/pulumi: sdk/nodejs/errors.ts). */
  readonly __pulumiRunError = true;
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[], { heading, describeFix }: ConfigSource) {
    const lines = formatProblems(problems, describeFix).map((line) => `  ${line}`);
    super([heading, ...lines].join("\n"));
    this.problems = problems;
  }
}

/** Where a user sets the values. */
export interface ConfigSource {
  /** The first line of the error, such as `The configuration of stack dev (Pulumi.dev.yaml) is not usable:`. */
  readonly heading: string;
  /** Returns the changes that fix a problem there, in backticks. Commands are quoted for a POSIX shell. */
  readonly describeFix: (problem: Problem) => string;
}

/** The file of a stack, which the Pulumi CLI edits. */
export function stackFile(stack: string): ConfigSource & { readonly name: string } {
  const name = `stack ${stack} (Pulumi.${stack}.yaml)`;
  return {
    name,
    heading: `The configuration of ${name} is not usable:`,
    describeFix: (problem) =>
      eachFix(problem, (changes) => {
        const commands = changes.flatMap((change) => pulumiCommands(change, stack));
        return `\`${commands.join(" && ")}\``;
      }),
  };
}

/** The fix and its alternative. */
export function eachFix(
  { fix, alternative }: Problem,
  describe: (changes: readonly Change[]) => string,
): string {
  return (alternative === undefined ? [fix] : [fix, alternative]).map(describe).join(", or ");
}

function pulumiCommands(change: Change, stack: string): readonly string[] {
  const command = (...words: readonly string[]): string =>
    ["npx", "pulumi", "config", ...words, "--stack", stack].map(quoteForShell).join(" ");
  const pathTo = (key: string): readonly string[] => (isPart(key) ? ["--path", key] : [key]);
  if ("remove" in change) return [command("rm", ...pathTo(change.remove))];
  if ("ask" in change) {
    const { ask, as } = change;
    // The CLI prompts for a value that is absent.
    if (as === "list") return [command("rm", ask), command("set", "--path", `${ask}[0]`)];
    return [command("set", ...(as === "secret" ? ["--secret"] : []), ...pathTo(ask))];
  }
  const { set, to } = change;
  if (typeof to === "string") return [command("set", ...pathTo(set), to)];
  // The CLI cannot set a list as a whole, and keeps the items that no command sets.
  return [command("rm", set), ...to.map((item, at) => command("set", "--path", `${set}[${at}]`, item))];
}

/** Whether a key is a part of a value, such as `websocket:retention[1].seconds`. */
export function isPart(key: string): boolean {
  return key.includes("[");
}
