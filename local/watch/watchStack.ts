/** `--watch`: applies changed sources and stack files to the running stack. */
import { describeError } from "../../app/src/settings/expectedError.ts";
import type { DeclaredGraph } from "../../infra/evaluation/graph.ts";
import type { EmitEvent } from "../events.ts";
import type { RunningStack } from "../stack.ts";
import type { Image, Images } from "./images.ts";
import { watchChanges } from "./watchChanges.ts";

/** What the image contains. */
const SERVER = ["app", "console", "client/src"];
/** What the program reads, without the files of the stack. */
const PROGRAM = ["infra", "app/src/settings", "index.ts", "Pulumi.yaml"];

export interface WatchOptions {
  readonly root: string;
  /** Name of the stack. */
  readonly stackName: string;
  readonly images: Images;
  /** @throws {ExpectedError} if the program cannot be evaluated. */
  readonly evaluate: () => Promise<DeclaredGraph>;
  readonly emit: EmitEvent;
  /** Ends the watch. */
  readonly signal: AbortSignal;
}

/**
 * Watches the files from now on. A change during a build is applied after it.
 * @returns a function that applies the changes, with those before its call, to a stack whose tasks run this image.
 */
export function watchStack(options: WatchOptions): (stack: RunningStack, image: Image) => void {
  const { root, stackName, images, evaluate, emit, signal } = options;
  const program = [...PROGRAM, `Pulumi.${stackName}.yaml`];
  const paths = [...new Set([...SERVER, ...program])];
  const startApplying = watchChanges({ root, paths, emit, signal });

  /** @returns `undefined` if the files are rejected. */
  async function attempt<T>(files: readonly string[], work: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return files.length === 0 ? undefined : await work();
    } catch (error) {
      if (!signal.aborted) emit({ event: "change-rejected", files, message: describeError(error) });
      return undefined;
    }
  }

  async function apply(
    current: { readonly stack: RunningStack; image: Image },
    files: readonly string[],
  ): Promise<void> {
    const { stack, image } = current;
    const serverFiles = files.filter((file) => isIn(SERVER, file));
    const programFiles = files.filter((file) => isIn(program, file));
    const [built, graph] = await Promise.all([
      attempt(serverFiles, () => images.build()),
      attempt(programFiles, evaluate),
    ]);
    if (signal.aborted) return;
    const isNew = built !== undefined && built.digest !== image.digest;
    if (isNew) current.image = built;
    const entry = isNew ? built.entry : undefined;
    const updated = await attempt(files, () => {
      stack.update({ files, graph, entry });
      return true;
    });
    // A graph that cannot be emulated does not prevent the deployment of the sources.
    if (updated === undefined && isNew) stack.update({ files: serverFiles, entry });
    const declared = current.image.entry;
    await images.prune((file) => file === declared || (stack.tasks?.usesEntry(file) ?? false));
  }

  return (stack, image) => {
    const running = { stack, image };
    startApplying((files) => apply(running, files));
  };
}

function isIn(paths: readonly string[], file: string): boolean {
  return paths.some((entry) => file === entry || file.startsWith(`${entry}/`));
}
