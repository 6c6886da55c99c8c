import { execFile } from "node:child_process";

export interface CheckOptions {
  /** The command as the user wrote it. */
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  readonly folder?: string;
  readonly timeoutSeconds: number;
  readonly signal: AbortSignal;
}

/** Runs the command of a health check. @returns why it failed; `undefined` if it exited with 0 in time. */
export function runCheck(
  file: string,
  args: readonly string[],
  { name, env, folder, timeoutSeconds, signal }: CheckOptions,
): Promise<string | undefined> {
  const title = `the health check "${name}"`;
  const options = {
    env: { ...env },
    ...(folder !== undefined && { cwd: folder }),
    timeout: timeoutSeconds * 1000,
    signal,
    killSignal: "SIGKILL",
  } as const;
  return new Promise((resolve) => {
    execFile(file, args, options, (error) => {
      if (error === null) resolve(undefined);
      else if (error.killed === true) resolve(`${title} timed out after ${timeoutSeconds} s`);
      else if (typeof error.code === "number") resolve(`${title} exited with ${error.code}`);
      else resolve(`${title} failed: ${error.signal ?? error.message}`);
    });
  });
}
