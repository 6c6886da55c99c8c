/** Starts commands as npm starts a script. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

const RUN_AS_NPM = fileURLToPath(new URL("runAsNpm.ts", import.meta.url));

export interface NpmProcess {
  /** The process in the role of npm. */
  readonly npm: ChildProcess;
  /** Output of the command. It ends when the command has ended. */
  readonly stdout: Readable;
  /** Kills the processes that still run. */
  readonly close: () => void;
}

export function startAsNpm(script: string, args: readonly string[], env: NodeJS.ProcessEnv): NpmProcess {
  const command = [process.execPath, script, ...args].map((word) => `'${word}'`).join(" ");
  const npm = spawn(process.execPath, [RUN_AS_NPM, command], {
    stdio: ["ignore", "pipe", "inherit"],
    env,
    // The processes have a group of their own, which outlives npm.
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
