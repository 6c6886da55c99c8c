import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { ExpectedError } from "../../app/src/settings/expectedError.ts";

/** Packages of the compared servers, which are not dependencies of this project. */
const PACKAGES = {
  "socket.io": "4.8.4",
  "@socket.io/redis-streams-adapter": "0.3.1",
  redis: "6.3.1",
} as const;

/** `npm ci` removes it. */
const FOLDER = fileURLToPath(new URL("../../node_modules/.cache/bench-peers/", import.meta.url));

/**
 * Installs the packages, unless they are installed.
 * @param npm file of the npm that runs this process; `undefined` for the npm on PATH.
 * @returns the folder that contains them.
 * @throws {ExpectedError} if npm fails. npm prints its own message.
 */
export async function installPeers(npm: string | undefined, signal: AbortSignal): Promise<string> {
  const manifest = JSON.stringify({ private: true, dependencies: PACKAGES });
  // The name contains the versions, so an existing folder has the right ones.
  const folder = path.join(FOLDER, Object.values(PACKAGES).join("-"));
  const complete = path.join(folder, "node_modules", ".package-lock.json");
  if (existsSync(complete)) return folder;

  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "package.json"), manifest);
  const args = ["install", "--no-audit", "--no-fund", "--loglevel=error", "--ignore-scripts"];
  const options = {
    cwd: folder,
    signal,
    stdio: ["ignore", "ignore", "inherit"] as ["ignore", "ignore", "inherit"],
  };
  const child =
    npm === undefined
      ? spawn("npm", args, { ...options, shell: process.platform === "win32" })
      : spawn(process.execPath, [npm, ...args], options);
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new ExpectedError("npm could not install the peers; its message is above.");
  return folder;
}
