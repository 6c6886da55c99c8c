/**
 * Builds an image without a container engine: runs the instructions of a Dockerfile in one folder per stage. The base image is
 * this machine with its Node, so the tests do not cover the base image's C library, npm and architecture.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, statSync } from "node:fs";
import path from "node:path";
import { text } from "node:stream/consumers";
import { type BuildContext, listBuildContext } from "../../../infra/components/tasks/buildContext.ts";
import { parseDockerfile } from "./dockerfile.ts";
import type { Stage } from "./dockerfile.ts";

/** The configuration of a container. */
export interface BuiltImage {
  /** Folder with the image's file system. */
  readonly root: string;
  readonly base: string;
  /** Absolute inside the image. */
  readonly workingDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly user: string;
  readonly command: readonly string[];
  readonly healthCommand: readonly string[];
  readonly exposed: readonly string[];
  readonly stopSignal: string;
}

/**
 * @param dockerfile content of the Dockerfile.
 * @param scratch an empty folder for the stages.
 * @throws {Error} if an instruction fails or is not supported here.
 */
export async function buildImage(
  buildContext: BuildContext,
  dockerfile: string,
  scratch: string,
): Promise<BuiltImage> {
  const context = path.join(scratch, "context");
  for (const entry of listBuildContext(buildContext)) {
    cpSync(path.join(buildContext.folder, entry), path.join(context, entry), { recursive: true });
  }

  const roots = new Map<string | undefined, string>([[undefined, context]]);
  let image: BuiltImage | undefined;
  for (const [index, stage] of parseDockerfile(dockerfile).entries()) {
    const root = path.join(scratch, `stage-${index}`);
    image = await buildStage(stage, root, roots);
    roots.set(stage.name ?? String(index), root);
  }
  if (image === undefined) throw new Error("The Dockerfile has no stage.");
  return image;
}

/** @param sources root folders for COPY: stages by name, the build context by `undefined`. */
async function buildStage(
  { base, instructions }: Stage,
  root: string,
  sources: ReadonlyMap<string | undefined, string>,
): Promise<BuiltImage> {
  const environment: Record<string, string> = {};
  const exposed: string[] = [];
  const image = {
    root,
    base,
    workingDirectory: "/",
    environment,
    user: "root",
    command: list("[]"),
    healthCommand: list("[]"),
    exposed,
    stopSignal: "SIGTERM",
  };
  mkdirSync(root);

  for (const { keyword, text: rest } of instructions) {
    switch (keyword) {
      case "WORKDIR":
        image.workingDirectory = path.posix.resolve(image.workingDirectory, rest);
        mkdirSync(path.join(root, image.workingDirectory), { recursive: true });
        break;
      case "COPY":
        copy(rest, path.join(root, image.workingDirectory), root, sources);
        break;
      case "RUN":
        // This machine lacks the base image's package manager.
        if (!rest.startsWith("apk "))
          await runShell(rest, path.join(root, image.workingDirectory), environment);
        break;
      case "ENV":
        Object.assign(environment, variable(rest));
        break;
      case "USER":
        image.user = rest;
        break;
      case "EXPOSE":
        exposed.push(rest);
        break;
      case "STOPSIGNAL":
        image.stopSignal = rest;
        break;
      case "HEALTHCHECK":
        image.healthCommand = list(rest.replace(/^.*?\bCMD /, ""));
        break;
      case "CMD":
        image.command = list(rest);
        break;
      default:
        throw new Error(
          `${keyword} ${rest} is not supported. Fix: add the instruction to tests/image/support/build.ts`,
        );
    }
  }
  return image;
}

function copy(
  rest: string,
  workingDirectory: string,
  root: string,
  sources: ReadonlyMap<string | undefined, string>,
): void {
  const words = rest.split(/ +/);
  const stage = words[0]?.startsWith("--from=") === true ? words.shift()?.slice("--from=".length) : undefined;
  const source = sources.get(stage);
  const to = words.pop();
  if (source === undefined || to === undefined || words.some((word) => word.startsWith("--"))) {
    throw new Error(`COPY ${rest} is not supported.`);
  }
  const target = to.startsWith("/") ? path.join(root, to) : path.join(workingDirectory, to);
  for (const word of words) {
    const from = path.join(source, word);
    // A folder's content goes into the target, a file into a target that ends in a slash.
    const into = !statSync(from).isDirectory() && to.endsWith("/");
    cpSync(from, into ? path.join(target, path.basename(from)) : target, { recursive: true });
  }
}

/** Runs a command in a shell as RUN does, without the settings that `npm test` passes in environment variables. */
async function runShell(command: string, cwd: string, environment: Record<string, string>): Promise<void> {
  const own = Object.entries(process.env).filter(([name]) => !name.toLowerCase().startsWith("npm_"));
  const shell = spawn("/bin/sh", ["-c", command], {
    cwd,
    env: {
      ...Object.fromEntries(own),
      PATH: [path.dirname(process.execPath), process.env["PATH"]].join(path.delimiter),
      ...environment,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr, [code]] = await Promise.all([
    text(shell.stdout),
    text(shell.stderr),
    once(shell, "exit") as Promise<[number | null]>,
  ]);
  if (code !== 0) throw new Error(`RUN ${command}: exit code ${String(code)}\n${stdout}${stderr}`);
}

function variable(rest: string): Record<string, string> {
  const [, name, value] = /^(\w+)=(\S+)$/.exec(rest) ?? [];
  if (name === undefined || value === undefined) throw new Error(`ENV ${rest} is not supported.`);
  return { [name]: value };
}

/** The words of an instruction in its exec form. */
function list(rest: string): readonly string[] {
  const words: unknown = JSON.parse(rest);
  if (!Array.isArray(words) || !words.every((word) => typeof word === "string")) {
    throw new Error(`${rest} is not a JSON list of words.`);
  }
  return words;
}
