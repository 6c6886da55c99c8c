/** `--watch` for a project of the user: evaluates a changed program again, and deploys a changed image. */
import { readdirSync } from "node:fs";
import path from "node:path";
import { describeError } from "../../app/src/settings/expectedError.ts";
import type { DeclaredGraph } from "../../infra/evaluation/graph.ts";
import type { EmitEvent } from "../events.ts";
import type { RunningStack } from "../stack.ts";
import { watchChanges } from "./watchChanges.ts";

/** Entries that tools write. */
const IGNORED = /^(?:\..*|node_modules|dist)$/;

export interface WatchProjectOptions {
  /** Absolute path of the project. */
  readonly root: string;
  /** @throws {ExpectedError} if the program cannot be evaluated. */
  readonly evaluate: () => Promise<DeclaredGraph>;
  readonly emit: EmitEvent;
  /** Ends the watch. */
  readonly signal: AbortSignal;
}

/** Watches everything in the folder of the project, and applies the changes to a stack. */
export function watchProject(
  stack: Pick<RunningStack, "update" | "imageFolder">,
  { root, evaluate, emit, signal }: WatchProjectOptions,
): void {
  const paths = readdirSync(root).filter((name) => !IGNORED.test(name));

  async function apply(files: readonly string[]): Promise<void> {
    const folder = stack.imageFolder();
    const isOfImage = (file: string): boolean =>
      folder !== undefined && `${path.join(root, file)}${path.sep}`.startsWith(folder + path.sep);
    // The image of a folder with the program contains the program, too.
    const changesProgram = folder === root || files.some((file) => !isOfImage(file));
    try {
      const graph = changesProgram ? await evaluate() : undefined;
      if (!signal.aborted) stack.update({ files, graph, hasImageChanged: files.some(isOfImage) });
    } catch (error) {
      if (!signal.aborted) emit({ event: "change-rejected", files, message: describeError(error) });
    }
  }

  watchChanges({ root, paths, emit, signal })(apply);
}
