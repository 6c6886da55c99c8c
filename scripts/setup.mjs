// Installs the project's packages when `node_modules` does not hold what package-lock.json names, so that `npm start` and
// `npm test` work on a fresh clone. It runs before anything is installed, on the machine's own Node: it may use only
// Node's built-in modules, and no syntax newer than Node 20.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { constants } from "node:os";
import path from "node:path";
import { clearInterval, clearTimeout, setInterval, setTimeout } from "node:timers";
import { fileURLToPath } from "node:url";

/** The oldest Node that runs the project (`await using`), and what package.json installs at least. */
const MIN_NODE_MAJOR = 24;

/** Time for npm to end after SIGTERM, before SIGKILL. */
const STOP_TIMEOUT_MS = 5_000;
const PARENT_CHECK_MS = 500;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];
const INTERRUPTED = 128; // Plus the signal's number: the exit code that shells use.

const IS_WINDOWS = process.platform === "win32";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const modules = path.join(root, "node_modules");
/** What npm has installed. npm writes it last. */
const record = path.join(modules, ".package-lock.json");
const packagedNode = path.join(modules, ".bin", IS_WINDOWS ? "node.cmd" : "node");

/**
 * These settings hold whatever the machine's .npmrc, NODE_ENV or the options of `npm start` are. No package needs its
 * install script, so none runs.
 */
const NPM_CI = [
  "ci",
  "--include=dev",
  "--include=optional",
  "--ignore-scripts",
  "--bin-links=true",
  "--engine-strict=false",
  "--dry-run=false",
  "--no-audit",
  "--no-fund",
  "--loglevel=error",
];

/** Whether every package of the lockfile is there in its version. Optional ones belong to certain platforms. */
function isInstalled() {
  let wanted;
  let installed;
  try {
    wanted = readPackages(path.join(root, "package-lock.json"));
    installed = readPackages(record);
  } catch {
    return false;
  }
  return Object.entries(wanted).every(([folder, { version, integrity, optional, link }]) => {
    if (link || !folder.startsWith("node_modules/")) return true;
    const found = installed[folder];
    if (found === undefined) return optional === true;
    return found.version === version && found.integrity === integrity && existsSync(path.join(root, folder));
  });
}

function readPackages(file) {
  return JSON.parse(readFileSync(file, "utf8")).packages;
}

/** The running npm, if it is one: yarn and pnpm set `npm_execpath` too. */
function npmCommand() {
  const running = process.env.npm_execpath ?? "";
  return /^npm-cli\.c?js$/.test(path.basename(running)) ? [process.execPath, running] : ["npm"];
}

async function install() {
  process.stderr.write("Installing packages, about 500 MB (once per change of package-lock.json) ...\n");
  // Without the record, an earlier installation was cut off: npm may fail to remove what that left behind.
  const isComplete = existsSync(record);
  rmSync(record, { force: true });
  if (!isComplete) rmSync(modules, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });

  const [command, ...args] = [...npmCommand(), ...NPM_CI];
  const { problem, signal } = await run(command, args);
  if (signal !== undefined) {
    process.stderr.write(`\nThe installation was interrupted (${signal}); the next start repeats it.\n`);
    process.exit(INTERRUPTED + constants.signals[signal]);
  }
  if (problem !== undefined) {
    fail([
      `\`${[command, ...args].join(" ")}\` in ${root}: ${problem}; see its messages above.`,
      `It ran on Node ${process.version} for ${process.platform}-${process.arch}.`,
    ]);
  }
}

/** Runs a command to its end. A signal to this process, or the end of its parent, ends the command and its children. */
function run(command, args) {
  return new Promise((resolve) => {
    // In a process group of its own, the command gets signals from here only, together with its children.
    const child = spawn(command, args, {
      cwd: root,
      stdio: ["ignore", 2, 2],
      detached: !IS_WINDOWS,
      shell: IS_WINDOWS && command === "npm",
    });
    let stoppedBy;
    let killTimer;
    const stop = (signal) => {
      if (stoppedBy !== undefined || child.pid === undefined) return;
      stoppedBy = signal;
      killGroup(child, "SIGTERM");
      killTimer = setTimeout(() => killGroup(child, "SIGKILL"), STOP_TIMEOUT_MS);
    };
    for (const signal of SIGNALS) process.on(signal, stop);
    const { ppid } = process;
    const parentCheck =
      process.env.npm_lifecycle_event === undefined
        ? undefined
        : setInterval(() => {
            if (process.ppid !== ppid) stop("SIGHUP");
          }, PARENT_CHECK_MS);

    const finish = (problem) => {
      clearTimeout(killTimer);
      clearInterval(parentCheck);
      for (const signal of SIGNALS) process.off(signal, stop);
      resolve({ problem, signal: stoppedBy });
    };
    child.on("error", (error) => finish(error.code === "ENOENT" ? "not found on the PATH" : error.message));
    child.on("exit", (code, signal) => {
      if (stoppedBy !== undefined) killGroup(child, "SIGKILL");
      finish(code === 0 ? undefined : signal === null ? `exit code ${code}` : `ended by ${signal}`);
    });
  });
}

function killGroup(child, signal) {
  try {
    if (IS_WINDOWS) child.kill(signal);
    else process.kill(-child.pid, signal);
  } catch {
    // The group has ended.
  }
}

/** The `node` that the package scripts find: the packaged one, or else the machine's. */
function findNode() {
  const PATH = `${path.join(modules, ".bin")}${path.delimiter}${process.env.PATH ?? ""}`;
  const { status, signal, stdout, stderr, error } = spawnSync("node", ["--version"], {
    encoding: "utf8",
    env: { ...process.env, PATH },
    shell: IS_WINDOWS,
  });
  const version = stdout?.trim() ?? "";
  if (status === 0) return { version, problem: majorOf(version) < MIN_NODE_MAJOR ? version : undefined };
  const message = error?.message ?? stderr.trim().split("\n")[0];
  return { problem: `it does not run (${[message, signal, `exit code ${status}`].find(Boolean)})` };
}

function majorOf(version) {
  return Number.parseInt(version.replace(/^v/, ""), 10);
}

function checkNode() {
  let { problem } = findNode();
  if (problem === undefined) return;
  const platform = `${process.platform}-${process.arch}`;
  let found = `the Node on the PATH: ${problem}`;
  if (existsSync(packagedNode)) {
    // Such as a system without glibc. While the link is there, no package script finds the machine's own Node.
    rmSync(packagedNode);
    found = `the packaged Node: ${problem}`;
    ({ problem } = findNode());
    if (problem === undefined) {
      process.stderr.write(`${found}; using the Node on the PATH.\n`);
      return;
    }
    found += `; the Node on the PATH: ${problem}`;
  }
  fail([
    `No Node of version ${MIN_NODE_MAJOR} or later for ${platform}. Found ${found}.`,
    `Fix: install Node ${MIN_NODE_MAJOR} or later (https://nodejs.org/en/download), then run the command again.`,
  ]);
}

function fail(lines) {
  process.stderr.write(`\n${lines.join("\n")}\n`);
  process.exit(1);
}

if (!isInstalled()) await install();
checkNode();
