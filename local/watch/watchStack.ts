/** `--watch`: applies changed sources and stack files to the running stack. */
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import type { DeclaredGraph } from "../../infra/evaluation/graph.ts";
import type { EmitEvent } from "../events.ts";
import type { RunningStack } from "../stack.ts";
import type { Image, Images } from "./images.ts";
import { watchFiles } from "./watchFiles.ts";

/** What the image contains. */
const SERVER = ["app/src", "console", "client/src"];
/** What the program reads, without the files of the stack. */
const PROGRAM = ["infra", "app/src/settings", "index.ts", "Pulumi.yaml"];

export interface WatchOptions {
  readonly root: string;
  /** Name of the stack. */
  readonly stackName: string;
  readonly stack: RunningStack;
  readonly images: Images;
  /** The image of the tasks that run. */
  readonly image: Image;
  /** @throws {ExpectedError} if the program cannot be evaluated. */
  readonly evaluate: () => Promise<DeclaredGraph>;
  readonly emit: EmitEvent;
  /** Ends the watch. */
  readonly signal: AbortSignal;
}

/** Watches until the signal aborts. A change during a build is applied after it. */
export function watchStack(options: WatchOptions): void {
  const { root, stackName, stack, images, evaluate, emit, signal } = options;
  const program = [...PROGRAM, `Pulumi.${stackName}.yaml`];
  let { digest } = options.image;
  let pending = new Set<string>();
  let isBusy = false;

  async function buildChanged(): Promise<string | undefined> {
    const image = await images.build();
    if (image.digest === digest) return undefined;
    ({ digest } = image);
    return image.entry;
  }

  /** @returns `undefined` if the files are rejected. */
  async function attempt<T>(files: readonly string[], work: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return files.length === 0 ? undefined : await work();
    } catch (error) {
      if (!signal.aborted) emit({ event: "change-rejected", files, message: describe(error) });
      return undefined;
    }
  }

  async function apply(files: readonly string[]): Promise<void> {
    const serverFiles = files.filter((file) => isIn(SERVER, file));
    const programFiles = files.filter((file) => isIn(program, file));
    const [entry, graph] = await Promise.all([
      attempt(serverFiles, buildChanged),
      attempt(programFiles, evaluate),
    ]);
    if (signal.aborted) return;
    await attempt(files, () => {
      stack.update({ files, graph, entry });
    });
    await images.prune((file) => file === entry || (stack.tasks?.usesEntry(file) ?? false));
  }

  async function applyPending(): Promise<void> {
    if (isBusy) return;
    isBusy = true;
    while (pending.size > 0 && !signal.aborted) {
      const files = [...pending];
      pending = new Set();
      await apply(files);
    }
    isBusy = false;
  }

  const paths = [...new Set([...SERVER, ...program])];
  const stop = watchFiles(root, paths, (files) => {
    for (const file of files) pending.add(file);
    void applyPending();
  });
  signal.addEventListener("abort", stop, { once: true });
  emit({ event: "watching", paths });
}

function isIn(paths: readonly string[], file: string): boolean {
  return paths.some((entry) => file === entry || file.startsWith(`${entry}/`));
}

/** An unexpected error is a defect, so its stack trace is shown. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error instanceof ExpectedError ? error.message : (error.stack ?? error.message);
}
