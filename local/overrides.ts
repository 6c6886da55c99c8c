/** Values that the command line gives over those of the stack's file. */
import { ALTERNATIVE } from "../infra/config/configError.ts";
import type { Change, ConfigProblem, ConfigSource } from "../infra/config/configError.ts";
import { quoted } from "../infra/config/quoted.ts";

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
  ofFile: readonly ConfigProblem[],
): ConfigSource {
  const isGiven = (key: string): boolean => Object.hasOwn(overrides, key);
  const isOfFile = ({ key, message }: ConfigProblem): boolean =>
    !isGiven(key) && ofFile.some((other) => other.key === key && other.message === message);
  const mendOne = (change: Change): string => {
    if ("ask" in change) return override(change.ask, "VALUE");
    if ("set" in change) {
      const { set, to } = change;
      return override(set, typeof to === "string" ? to : JSON.stringify(to));
    }
    // What is written in the file cannot be taken away here, but said to be as if it were not there.
    if (isGiven(change.remove)) return `without -c ${quoted(change.remove)}`;
    return override(change.remove, change.default ?? "");
  };
  return {
    name: `${file.name} with ${Object.keys(overrides)
      .map((key) => `-c ${key}`)
      .join(", ")}`,
    mend: (problem) => {
      if (isOfFile(problem)) return file.mend(problem);
      const { fix, alternative } = problem;
      return (alternative === undefined ? [fix] : [fix, alternative])
        .map((changes) => changes.map(mendOne).join(", "))
        .join(ALTERNATIVE);
    },
  };
}

function override(key: string, value: string): string {
  return `with -c ${quoted(`${key}=${value}`)}`;
}
