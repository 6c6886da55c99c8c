/** A small project with this project's setup script and a fake npm. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

const SETUP = path.resolve(import.meta.dirname, "../../../scripts/setup.mjs");

/** Records its arguments, then installs what the lockfile names. */
const INSTALLING_NPM = `
const { appendFileSync, mkdirSync, readFileSync, writeFileSync } = require("node:fs");
appendFileSync("npm.log", JSON.stringify(process.argv.slice(2)) + "\\n");
const text = readFileSync("package-lock.json", "utf8");
for (const folder of Object.keys(JSON.parse(text).packages)) mkdirSync(folder || ".", { recursive: true });
writeFileSync("node_modules/.package-lock.json", text);
`;

/** Creates half an installation and a child process, and ignores SIGTERM. */
const HANGING_NPM = `
const { mkdirSync, renameSync, writeFileSync } = require("node:fs");
const { spawn } = require("node:child_process");
mkdirSync("node_modules/half", { recursive: true });
process.on("SIGTERM", () => {});
const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
process.stderr.write("hanging\\n");
// The test sends a signal as soon as it can read this file.
writeFileSync("npm.pids.new", [process.pid, child.pid].join(" "));
renameSync("npm.pids.new", "npm.pids");
`;

const NPMS = { installing: INSTALLING_NPM, hanging: HANGING_NPM, failing: "process.exit(3);" } as const;

export interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly stderr: string }>;
}

export interface Project extends AsyncDisposable {
  readonly root: string;
  readonly file: (name: string) => string;
  readonly write: (name: string, text: string, mode?: number) => Promise<void>;
  readonly lock: (packages: Readonly<Record<string, object>>) => Promise<void>;
  /** The arguments of each npm run. */
  readonly npmRuns: () => Promise<readonly (readonly string[])[]>;
  readonly start: (npm: keyof typeof NPMS, env?: NodeJS.ProcessEnv, args?: readonly string[]) => Promise<Run>;
  /**
   * Runs the script with the npm of the environment.
   * @param args of Node, in the project's folder; the script by default.
   */
  readonly startPlain: (env?: NodeJS.ProcessEnv, args?: readonly string[]) => Run;
}

export async function createProject(): Promise<Project> {
  const root = await mkdtemp(path.join(tmpdir(), "websocket-setup-"));
  const file = (name: string): string => path.join(root, name);
  const write = async (name: string, text: string, mode = 0o644): Promise<void> => {
    await mkdir(path.dirname(file(name)), { recursive: true });
    await writeFile(file(name), text);
    await chmod(file(name), mode);
  };
  await mkdir(file("scripts"));
  await copyFile(SETUP, file("scripts/setup.mjs"));
  await write("package.json", JSON.stringify({ name: "small", version: "1.0.0", private: true }));

  const startPlain = (env: NodeJS.ProcessEnv = {}, args: readonly string[] = ["scripts/setup.mjs"]): Run => {
    const child = spawn(process.execPath, args, {
      cwd: root,
      env: { ...process.env, npm_execpath: undefined, npm_lifecycle_event: undefined, ...env },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const ended = new Promise<{ code: number | null; stderr: string }>((resolve) => {
      child.on("close", (code) => {
        resolve({ code, stderr });
      });
    });
    return { child, ended };
  };

  return {
    root,
    file,
    write,
    lock: (packages) =>
      write("package-lock.json", JSON.stringify({ lockfileVersion: 3, packages: { "": {}, ...packages } })),
    npmRuns: async () => {
      const log = await readFile(file("npm.log"), "utf8").catch(() => "");
      return log
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line) as string[]);
    },
    start: async (npm, env, args) => {
      await write("fake/npm-cli.js", NPMS[npm]);
      return startPlain({ npm_execpath: file("fake/npm-cli.js"), ...env }, args);
    },
    startPlain,
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}
