/** Configuration values of the command line, which replace those of the stack's file. */
import { describeProblem } from "../app/src/settings/problem.ts";
import type { Change, Problem } from "../app/src/settings/problem.ts";
import { eachFix, isPart } from "../infra/config/configError.ts";
import type { ConfigSource, stackFile } from "../infra/config/configError.ts";
import { quoteForShell } from "../infra/config/shellWords.ts";

/** Adds the project's namespace to keys that have none, as the Pulumi CLI does. */
export function withNamespaces(
  overrides: Readonly<Record<string, string>>,
  project: string,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(overrides).map(([key, value]) => [key.includes(":") ? key : `${project}:${key}`, value]),
  );
}

/**
 * The source of a configuration with overrides. Its fixes change the command line. If the stack's file has a problem without the
 * overrides, too, and no override has the problem's key, the fix changes the file.
 * @param project the namespace of keys that have none on the command line.
 * @param fileProblems the problems of the stack's file alone.
 */
export function overriddenSource(
  overrides: Readonly<Record<string, string>>,
  project: string,
  file: ReturnType<typeof stackFile>,
  fileProblems: readonly Problem[],
): ConfigSource {
  const shorten = (key: string): string => key.replace(`${project}:`, "");
  const describeOverride = (key: string, value: string): string =>
    `pass \`-c ${quoteForShell(`${shorten(key)}=${value}`)}\``;
  const isOverridden = (key: string): boolean => Object.hasOwn(overrides, wholeOf(key));
  const isInFile = (problem: Problem): boolean =>
    !isOverridden(problem.key) &&
    // An override replaces a whole value.
    (isPart(problem.key) ||
      fileProblems.some((other) => describeProblem(other) === describeProblem(problem)));
  const describeChange = (change: Change): string => {
    const part = "ask" in change ? change.ask : "set" in change ? change.set : change.remove;
    if (isPart(part)) {
      const verb = "remove" in change ? "remove" : "set";
      const value = "set" in change ? ` to ${[change.to].flat().join(",")}` : "";
      return `${verb} \`${shorten(part)}\`${value} in \`-c ${shorten(wholeOf(part))}=…\``;
    }
    if ("ask" in change) return describeOverride(change.ask, change.as === "list" ? '["VALUE"]' : "VALUE");
    if ("set" in change) {
      const { set, to } = change;
      return describeOverride(set, typeof to === "string" ? to : JSON.stringify(to));
    }
    // An override cannot remove a key from the file, but can give it the default.
    if (isOverridden(change.remove)) return `remove \`-c ${quoteForShell(shorten(change.remove))}\``;
    return describeOverride(change.remove, change.default ?? "");
  };
  const names = Object.keys(overrides).map((key) => `-c ${shorten(key)}`);
  return {
    heading: `The configuration of ${file.name} with ${names.join(", ")} is not usable:`,
    describeFix: (problem) =>
      isInFile(problem)
        ? file.describeFix(problem)
        : eachFix(problem, (changes) => changes.map(describeChange).join(" and ")),
  };
}

/** The key of a part such as `websocket:retention[1].seconds`. */
function wholeOf(key: string): string {
  return key.split("[", 1).join("");
}
