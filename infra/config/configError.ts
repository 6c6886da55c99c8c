/** What is wrong with a configuration, and how that is mended where its user has written it. */
import * as pulumi from "@pulumi/pulumi";
import type { Problem } from "../../app/src/settings/definition.ts";
import { quoted } from "./quoted.ts";

/** Everything that is wrong with a stack's configuration, at once. The CLI prints a RunError without its stack. */
export class ConfigError extends pulumi.RunError {
  override readonly name = "ConfigError";
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[], { name, mend }: ConfigSource) {
    super(
      [
        `The configuration of ${name} is not usable:`,
        ...problems.map((problem) => `  ${problem.key} ${problem.message}\n      ${mend(problem)}`),
      ].join("\n"),
    );
    this.problems = problems;
  }
}

/** Between two ways to mend a problem, each on a line of its own. */
export const ALTERNATIVE = "\n      or: ";

/** Where a user has written the values. */
export interface ConfigSource {
  /** Such as `stack dev (Pulumi.dev.yaml)`. */
  readonly name: string;
  /** Says how a problem is mended there, in words that a shell takes as they are. */
  readonly mend: (problem: ConfigProblem) => string;
}

export function stackFile(stack: string): ConfigSource {
  return {
    name: `stack ${stack} (Pulumi.${stack}.yaml)`,
    mend: ({ fix, alternative }) =>
      (alternative === undefined ? [fix] : [fix, alternative])
        .map((changes) => changes.flatMap((change) => pulumiCommands(change, stack)).join(" && "))
        .join(ALTERNATIVE),
  };
}

export interface ConfigProblem extends Problem {
  /** What mends it. */
  readonly fix: readonly Change[];
  /** What mends it differently, if the choice is the user's. */
  readonly alternative?: readonly Change[];
}

/** A change to a configuration. */
export type Change =
  | {
      readonly set: string;
      readonly to: string | readonly string[];
    }
  | {
      /** A key whose value only the user knows. */
      readonly ask: string;
      readonly secret: boolean;
    }
  | {
      readonly remove: string;
      /** What the key says when it is gone; none for a key that is unknown. */
      readonly default?: string;
    };

function pulumiCommands(change: Change, stack: string): readonly string[] {
  const command = (...words: readonly string[]): string =>
    ["npx", "pulumi", "config", ...words, "--stack", stack].map(quoted).join(" ");
  if ("remove" in change) return [command("rm", change.remove)];
  // The CLI prompts for the value.
  if ("ask" in change) return [command("set", ...(change.secret ? ["--secret"] : []), change.ask)];
  const { set, to } = change;
  if (typeof to === "string") return [command("set", set, to)];
  // The CLI takes no list as a whole, and keeps the items that it is not told.
  return [command("rm", set), ...to.map((item, at) => command("set", "--path", `${set}[${at}]`, item))];
}
