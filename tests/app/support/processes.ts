/** The server, and other scripts, in processes of their own. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { due } from "../../support/waitUntil.ts";
import { afterwards } from "./teardown.ts";

export const MAIN = fileURLToPath(new URL("../../../app/src/main.ts", import.meta.url));

/** Time in which a process must print its first lines, also on a busy machine. */
const START_MS = 40_000;

export interface TestProcess {
  readonly pid: number;
  /** Resolves with the first line on standard output for which `wanted` holds. */
  line(wanted: (line: string) => boolean): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  /** Resolves when the process has ended. */
  readonly ended: Promise<{ code: number | null; output: string; errors: string }>;
}

/** Runs a script with this Node.js and only the given environment. */
export function run(script: string, args: readonly string[], env: Record<string, string>): TestProcess {
  const child = spawn(process.execPath, [script, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  afterwards(() => child.kill("SIGKILL"));
  const lines: string[] = [];
  let errors = "";
  const reader = createInterface(child.stdout);
  reader.on("line", (line) => lines.push(line));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));

  const ended = once(child, "close").then(([code]: unknown[]) => ({
    code: typeof code === "number" ? code : null,
    output: lines.join("\n"),
    errors,
  }));
  const firstLine = async (wanted: (line: string) => boolean): Promise<string> => {
    for (let isOver = false; ;) {
      const found = lines.find(wanted);
      if (found !== undefined) return found;
      assert.ok(!isOver, `the process ended without the line; it printed:\n${lines.join("\n")}\n${errors}`);
      isOver = await Promise.race([once(reader, "line").then(() => false), ended.then(() => true)]);
    }
  };

  return {
    // A process that could not be started has no pid. Its `error` event has the reason.
    pid: child.pid ?? 0,
    line: (wanted) =>
      due(
        firstLine(wanted),
        () => `a line for which ${wanted.toString()} in:\n${lines.join("\n")}`,
        START_MS,
      ),
    kill(signal) {
      child.kill(signal);
    },
    ended,
  };
}

/** Runs the server in a process of its own, on a free port. */
export async function runServer(env: Record<string, string> = {}): Promise<TestProcess & { port: number }> {
  const child = run(MAIN, [], { HOST: "127.0.0.1", PORT: "0", WEBSOCKET_METRICS_PORT: "0", ...env });
  const line = await child.line((text) => text.includes('"msg":"listening"'));
  const { port }: { port?: unknown } = JSON.parse(line) as object;
  assert.ok(typeof port === "number");
  return { ...child, port };
}
