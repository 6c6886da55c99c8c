/** The command line in a project of its own, against the real CLI and the stand-in cloud. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cpSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { cliPath } from "../engine/support/cli.ts";
import { Project, type Run } from "../engine/support/project.ts";

const ROOT = join(import.meta.dirname, "../..");

/** Nobody ever looks at them: the providers are stand-ins. */
const CREDENTIALS = { AWS_ACCESS_KEY_ID: "stand-in", AWS_SECRET_ACCESS_KEY: "stand-in" };

export interface DeployProject {
  readonly project: Project;
  /** What a process in the project gets. */
  readonly environment: Readonly<Record<string, string>>;
  /** `npm run deploy -- …`, until it ends. */
  readonly deploy: (...args: readonly string[]) => Promise<Run>;
  /** The same with another environment. */
  readonly deployWith: (
    environment: Readonly<Record<string, string>>,
    ...args: readonly string[]
  ) => Promise<Run>;
  /** Ctrl-C as soon as it prints this. */
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
      const look = (chunk: Buffer): void => {
        seen += chunk.toString();
        if (!seen.includes(printed)) return;
        child.stdout?.off("data", look);
        child.kill("SIGINT");
      };
      child.stdout?.on("data", look);
      return ended(child);
    },
  };
}

async function ended(child: ChildProcess): Promise<Run> {
  if (child.stdout === null || child.stderr === null) throw new Error("Its output is not piped.");
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "exit") as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}
