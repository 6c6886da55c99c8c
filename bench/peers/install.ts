import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** Measured beside this project, and no dependencies of it. */
const PACKAGES = {
  "socket.io": "4.8.4",
  "@socket.io/redis-streams-adapter": "0.3.1",
  redis: "6.3.1",
} as const;

/** Goes with the project's own packages: `npm ci` takes it away. */
const FOLDER = fileURLToPath(new URL("../../node_modules/.cache/bench-peers/", import.meta.url));

/**
 * Installs the peers, unless they are there.
 * @param npm the file of the npm that runs this, if one does.
 * @returns the folder that has them.
 * @throws {Error} where npm fails; its output is on the terminal.
 */
export async function installPeers(npm: string | undefined, signal: AbortSignal): Promise<string> {
  const manifest = JSON.stringify({ private: true, dependencies: PACKAGES });
  // The name changes with the versions, so what is there is what is wanted.
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
  if (code !== 0) throw new Error("npm could not install the peers; its message stands above.");
  return folder;
}
