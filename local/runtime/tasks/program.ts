/** What the process of a task runs, and the preparation of it. */
import { existsSync } from "node:fs";
import { ExpectedError } from "../../../app/src/settings/expectedError.ts";
import type { DeclaredContainer } from "../../model/container.ts";
import { buildImage } from "./containerEngine.ts";

export type Program =
  /** Our server, from its sources. */
  | { readonly type: "server"; readonly entry: string }
  /** A command of this machine. */
  | { readonly type: "command"; readonly words: readonly [string, ...string[]]; readonly folder: string }
  | {
      readonly type: "container";
      /** Path of Docker or Podman. */
      readonly engine: string;
      readonly image: string;
      readonly entryPoint: readonly string[];
      readonly command: readonly string[];
    };

export interface ProgramOptions {
  /** The file of our server. */
  readonly entry: string;
  /** Path of Docker or Podman; `undefined` if the machine has neither. */
  readonly containerEngine: string | undefined;
  /** Whether a container runs even if the image has a command. */
  readonly prefersContainers: boolean;
}

/** Builds the image if a container will run it. @throws {ExpectedError} if the container cannot run on this machine. */
export async function prepareProgram(
  { name, image }: DeclaredContainer,
  { entry, containerEngine, prefersContainers }: ProgramOptions,
): Promise<Program> {
  if (image === undefined) return { type: "server", entry };
  const { entryPoint, command, folder, build, reference } = image;
  const [file, ...args] = [...entryPoint, ...command];
  if (!existsSync(folder))
    throw new ExpectedError(`container ${name}: the build context ${folder} does not exist.`);
  if (file !== undefined && !prefersContainers) return { type: "command", words: [file, ...args], folder };
  if (containerEngine === undefined) {
    throw new ExpectedError(
      `container ${name}: got no command, and neither Docker nor Podman is installed. ` +
        'Fix: set `image.command`, such as ["node", "server.js"], which runs without a container',
    );
  }
  return {
    type: "container",
    engine: containerEngine,
    image: build === undefined ? reference : await buildImage(containerEngine, name, build),
    entryPoint,
    command,
  };
}
