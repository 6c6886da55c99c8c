/** Runs the command line in a temporary project, with the real CLI and stand-ins for the providers. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cpSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { cliPath } from "../engine/support/cli.ts";
import { Project, type Run } from "../engine/support/project.ts";

const ROOT = join(import.meta.dirname, "../..");

/** The stand-ins do not check them. */
const CREDENTIALS = { AWS_ACCESS_KEY_ID: "stand-in", AWS_SECRET_ACCESS_KEY: "stand-in" };

export interface DeployProject {
  readonly project: Project;
  /** Environment of the processes. */
  readonly environment: Readonly<Record<string, string>>;
  /** Runs `npm run deploy -- …`. */
  readonly deploy: (...args: readonly string[]) => Promise<Run>;
  /** The same with another environment. */
  readonly deployWith: (
    environment: Readonly<Record<string, string>>,
    ...args: readonly string[]
  ) => Promise<Run>;
  /** Runs it, and sends SIGINT when it has printed a text. */
  readonly interruptAt: (printed: string, ...args: readonly string[]) => Promise<Run>;
}

export function createDeployProject(): DeployProject {
  const project = new Project();
  for (const folder of ["cli", "deploy"]) {
    cpSync(join(ROOT, folder), join(project.folder, folder), { recursive: true });
  }
  const environment = {
    ...project.environment,
    ...CREDENTIALS,
    PATH: [dirname(cliPath()), project.environment["PATH"]].join(delimiter),
  };
  const start = (env: Readonly<Record<string, string>>, args: readonly string[]): ChildProcess =>
    spawn(process.execPath, [join(project.folder, "deploy/main.ts"), ...args], {
      cwd: project.folder,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
  return {
    project,
    environment,
    deploy: (...args) => ended(start(environment, args)),
    deployWith: (env, ...args) => ended(start(env, args)),
    interruptAt(printed, ...args) {
      const child = start(environment, args);
      let seen = "";
      const check = (chunk: Buffer): void => {
        seen += chunk.toString();
        if (!seen.includes(printed)) return;
        child.stdout?.off("data", check);
        child.kill("SIGINT");
      };
      child.stdout?.on("data", check);
      return ended(child);
    },
  };
}

async function ended(child: ChildProcess): Promise<Run> {
  if (child.stdout === null || child.stderr === null) throw new Error("The output is not piped.");
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "exit") as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}
