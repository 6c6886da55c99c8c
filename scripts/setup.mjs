// Installs the project's packages when the lockfile is newer than what is installed, so that `npm start` and
// `npm test` work on a fresh clone. Runs before anything is installed, on whatever Node the machine has: it
// may use nothing but Node's own modules, and no syntax newer than Node 20.
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const lockfile = path.join(root, "package-lock.json");
/** npm writes this file last, so its age is the age of the installation. */
const installed = path.join(root, "node_modules", ".package-lock.json");
const node = path.join(root, "node_modules", ".bin", process.platform === "win32" ? "node.cmd" : "node");

const upToDate =
  existsSync(installed) && existsSync(node) && statSync(installed).mtimeMs >= statSync(lockfile).mtimeMs;

if (!upToDate) {
  process.stderr.write("Installing packages, about 500 MB (once per change of package-lock.json) ...\n");
  const npm = process.env.npm_execpath;
  const args = ["ci", "--no-audit", "--no-fund", "--loglevel=error", "--ignore-scripts=false"];
  const result = npm
    ? spawnSync(process.execPath, [npm, ...args], { cwd: root, stdio: ["ignore", 2, 2] })
    : spawnSync("npm", args, { cwd: root, stdio: ["ignore", 2, 2], shell: process.platform === "win32" });
  if (result.status !== 0) {
    process.stderr.write(`\n\`npm ci\` failed in ${root}; its message stands above.\n`);
    process.exit(1);
  }
}

if (spawnSync(node, ["--version"], { shell: process.platform === "win32" }).status !== 0) {
  process.stderr.write(
    "The project's own Node (the package `node`) does not run: its install script may have been blocked.\n" +
      "Run `npm ci --ignore-scripts=false`.\n",
  );
  process.exit(1);
}
