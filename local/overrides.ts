/** Values that the command line gives over those of the stack's file. */
import { describeProblem } from "../app/src/settings/problem.ts";
import type { Change, Problem } from "../app/src/settings/problem.ts";
import { eachFix } from "../infra/config/configError.ts";
import type { ConfigSource } from "../infra/config/configError.ts";
import { quoteForShell } from "../infra/config/shellWords.ts";

/** By full key: as with the CLI, one without a namespace is the project's own. */
export function withNamespaces(
  overrides: Readonly<Record<string, string>>,
  project: string,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(overrides).map(([key, value]) => [key.includes(":") ? key : `${project}:${key}`, value]),
  );
}

/**
 * Where a user who gave overrides mends what is wrong: on the command line, whatever key it is that has to change. Only a
 * problem that the stack's file has without them, at a key that they do not give, is mended in the file.
 * @param ofFile the problems of the stack's file alone.
 */
export function commandLine(
  overrides: Readonly<Record<string, string>>,
  file: ConfigSource,
  ofFile: readonly Problem[],
): ConfigSource {
  const isGiven = (key: string): boolean => Object.hasOwn(overrides, key);
  const isOfFile = (problem: Problem): boolean =>
    !isGiven(problem.key) && ofFile.some((other) => describeProblem(other) === describeProblem(problem));
  const describeChange = (change: Change): string => {
    if ("ask" in change) return override(change.ask, change.as === "list" ? '["VALUE"]' : "VALUE");
    if ("set" in change) {
      const { set, to } = change;
      return override(set, typeof to === "string" ? to : JSON.stringify(to));
    }
    // What is written in the file cannot be taken away here, but said to be as if it were not there.
    if (isGiven(change.remove)) return `remove \`-c ${quoteForShell(change.remove)}\``;
    return override(change.remove, change.default ?? "");
  };
  return {
    name: `${file.name} with ${Object.keys(overrides)
      .map((key) => `-c ${key}`)
      .join(", ")}`,
    describeFix: (problem) =>
      isOfFile(problem)
        ? file.describeFix(problem)
        : eachFix(problem, (changes) => changes.map(describeChange).join(" and ")),
  };
}

function override(key: string, value: string): string {
  return `pass \`-c ${quoteForShell(`${key}=${value}`)}\``;
}
