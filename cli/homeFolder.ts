import { homedir, tmpdir } from "node:os";

/** The home folder of this user; `undefined` for a user without one, as in some containers. */
export function homeFolder(): string | undefined {
  try {
    return homedir();
  } catch {
    return undefined;
  }
}

/** Sets `HOME` to the temporary folder for a user without a home folder: Pulumi's dependencies fail to load without one. */
export function ensureHomeFolder(environment: NodeJS.ProcessEnv): void {
  if (homeFolder() === undefined) environment["HOME"] = tmpdir();
}
