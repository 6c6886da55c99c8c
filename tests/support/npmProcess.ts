/** A command that runs as npm runs a script. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

const RUN_AS_NPM = fileURLToPath(new URL("runAsNpm.ts", import.meta.url));

export interface NpmProcess {
  /** Acts as npm. */
  readonly npm: ChildProcess;
  /** The command's own, which ends when the command has ended. */
  readonly stdout: Readable;
  /** Kills whatever still runs. */
  readonly close: () => void;
}

export function startAsNpm(script: string, args: readonly string[], env: NodeJS.ProcessEnv): NpmProcess {
  const command = [process.execPath, script, ...args].map((word) => `'${word}'`).join(" ");
  const npm = spawn(process.execPath, [RUN_AS_NPM, command], {
    stdio: ["ignore", "pipe", "inherit"],
    env,
    // A group of its own, which outlives npm.
    detached: true,
  });
  return {
    npm,
    stdout: npm.stdout,
    close() {
      assert.ok(npm.pid);
      try {
        process.kill(-npm.pid, "SIGKILL");
      } catch {
        // All have ended.
      }
    },
  };
}
