/** Values that the command line gives over those of the stack's file. */
import type { Change, ConfigSource } from "../infra/config.ts";

/** By full key: as with the CLI, one without a namespace is the project's own. */
export function withNamespaces(
  overrides: Readonly<Record<string, string>>,
  project: string,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(overrides).map(([key, value]) => [key.includes(":") ? key : `${project}:${key}`, value]),
  );
}

/** Where a user who gave overrides mends them; the rest is in the stack's file. */
export function commandLine(overrides: Readonly<Record<string, string>>, file: ConfigSource): ConfigSource {
  const mendOne = (change: Change): string => {
    if ("remove" in change) {
      return Object.hasOwn(overrides, change.remove) ? `without -c ${change.remove}` : file.mend([change]);
    }
    const value = change.item === true ? `'${JSON.stringify([change.to])}'` : change.to;
    return `with -c ${change.set}=${value}`;
  };
  return {
    name: `${file.name} with ${Object.keys(overrides)
      .map((key) => `-c ${key}`)
      .join(", ")}`,
    mend: (changes) => changes.map(mendOne).join(", "),
  };
}
