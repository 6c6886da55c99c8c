/** Installs and starts the servers of the examples, without a stack. */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { promisify } from "node:util";
import { freePort } from "../../../cli/valkeyServer.ts";
import { waitUntil } from "../../support/waitUntil.ts";

const ROOT = path.resolve(import.meta.dirname, "../../..");

/** npm downloads up to 160 packages. */
export const INSTALL_TIMEOUT_MS = 180_000;

/** Returns the folder of an example. */
export function folderOf(example: string): string {
  return path.join(ROOT, "examples", example);
}

/** Installs the packages of an example's server, unless those of its package-lock.json are installed. */
export async function installServer(example: string): Promise<void> {
  const cwd = path.join(folderOf(example), "server");
  const marker = path.join(cwd, "node_modules", ".installed");
  const hash = createHash("sha256")
    .update(readFileSync(path.join(cwd, "package-lock.json")))
    .digest("hex");
  if (existsSync(marker) && readFileSync(marker, "utf8") === hash) return;
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  await promisify(execFile)("npm", args, { cwd });
  writeFileSync(marker, hash);
}

/** Loads a package of an example's server. The repository does not install it. */
export function loadPackage(example: string, name: string): unknown {
  return createRequire(path.join(folderOf(example), "server", "package.json"))(name);
}

/** Checks the types of an example's server. */
export async function checkTypes(example: string): Promise<void> {
  const tsc = path.join(ROOT, "node_modules/typescript/bin/tsc");
  const project = path.join(folderOf(example), "server");
  const check = promisify(execFile)(process.execPath, [tsc, "--project", project]);
  await check.catch((error: unknown) => assert.fail((error as { stdout: string }).stdout));
}

/** One server of an example, as a task. */
export interface ServerProcess extends AsyncDisposable {
  readonly port: number;
  /** Sends SIGTERM. Resolves with the exit code. */
  terminate(): Promise<number | null>;
}

/** Starts the server of an example, and waits until it is healthy. */
export async function startServer(
  example: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<ServerProcess> {
  const port = await freePort();
  const child = spawn(process.execPath, ["main.ts"], {
    cwd: path.join(folderOf(example), "server"),
    env: { PATH: process.env["PATH"], NODE_ENV: "production", PORT: String(port), ...environment },
    stdio: "inherit",
  });
  const ended = once(child, "close").then(([code]) => code as number | null);
  await waitUntil(
    async () => {
      assert.equal(child.exitCode, null, "The server has ended.");
      return await fetch(`http://127.0.0.1:${port}/health`).then(
        ({ ok }) => ok,
        () => false,
      );
    },
    { everyMs: 50, forMs: 15_000 },
  );
  return {
    port,
    terminate() {
      child.kill("SIGTERM");
      return ended;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
