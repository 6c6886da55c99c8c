/** Docker and Podman, whose command lines are equal as far as they are used here. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import path from "node:path";
import { promisify } from "node:util";
import { ExpectedError } from "../../../app/src/settings/expectedError.ts";
import { isExecutable } from "../../../cli/executable.ts";
import type { ImageBuild } from "../../model/container.ts";

const ENGINES = ["docker", "podman"];
/** The last lines of output, which explain why a build failed. */
const MAX_OUTPUT_LINES = 20;
const MAX_BUFFER_BYTES = 64 * 1024 * 1024;
const TAG_DIGITS = 12;

const run = promisify(execFile);

/** @returns the path of the program; `undefined` if the machine has none. */
export function findContainerEngine(searchPath = ""): string | undefined {
  const folders = searchPath.split(path.delimiter).filter((folder) => folder !== "");
  return ENGINES.flatMap((name) => folders.map((folder) => path.join(folder, name))).find(isExecutable);
}

/**
 * Builds an image as the program declares it, for the architecture of this machine.
 * @returns the tag.
 * @throws {ExpectedError} with the end of the output of the build.
 */
export async function buildImage(engine: string, name: string, build: ImageBuild): Promise<string> {
  const { context, dockerfile, target, args } = build;
  const hash = createHash("sha256").update(JSON.stringify(build)).digest("hex").slice(0, TAG_DIGITS);
  const tag = `local-${name.toLowerCase()}:${hash}`;
  const words = [
    ...["build", "--tag", tag],
    ...(dockerfile === undefined ? [] : ["--file", dockerfile]),
    ...(target === undefined ? [] : ["--target", target]),
    ...Object.entries(args).flatMap(([key, value]) => ["--build-arg", `${key}=${value}`]),
    context,
  ];
  try {
    await run(engine, words, { maxBuffer: MAX_BUFFER_BYTES });
    return tag;
  } catch (error) {
    throw new ExpectedError(
      `container ${name}: the build failed:\n${describeFailure(error)}\n` +
        "Fix: correct the Dockerfile, or set `image.command` to run without a container",
    );
  }
}

/** Returns the end of the output, or the error of an engine that did not start. */
function describeFailure(error: unknown): string {
  const hasOutput = error instanceof Error && "stdout" in error && "stderr" in error;
  const output = hasOutput ? `${String(error.stdout)}\n${String(error.stderr)}`.trim() : "";
  return (output === "" ? String(error) : output).split("\n").slice(-MAX_OUTPUT_LINES).join("\n");
}
