import { homedir, tmpdir } from "node:os";

/** Of this user; `undefined` for a user without one, as in some containers. */
export function homeFolder(): string | undefined {
  try {
    return homedir();
  } catch {
    return undefined;
  }
}

/** Gives a user without a home folder the temporary one: dependencies of Pulumi fail without any when they are loaded. */
export function ensureHomeFolder(environment: NodeJS.ProcessEnv): void {
  if (homeFolder() === undefined) environment["HOME"] = tmpdir();
}
