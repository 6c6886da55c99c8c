import { describeError } from "../../app/src/settings/expectedError.ts";
import type { EmitEvent } from "../events.ts";
import { watchFiles } from "./watchFiles.ts";

export interface WatchChangesOptions {
  readonly root: string;
  /** What is watched, as {@link watchFiles} expects it. */
  readonly paths: readonly string[];
  readonly emit: EmitEvent;
  /** Ends the watch. */
  readonly signal: AbortSignal;
}

/** Applies changed files. It must not reject. */
export type ApplyFiles = (files: readonly string[]) => Promise<void>;

/**
 * Watches files from now on. One change is applied at a time: the files that change meanwhile are applied after it.
 * @returns a function that applies the changes, with those before its call.
 */
export function watchChanges({
  root,
  paths,
  emit,
  signal,
}: WatchChangesOptions): (apply: ApplyFiles) => void {
  let apply: ApplyFiles | undefined;
  let pending = new Set<string>();
  let isBusy = false;

  async function applyPending(): Promise<void> {
    if (isBusy || apply === undefined) return;
    isBusy = true;
    while (pending.size > 0 && !signal.aborted) {
      const files = [...pending];
      pending = new Set();
      await apply(files);
    }
    isBusy = false;
  }

  /** @returns why the files cannot be watched; `undefined` if they are. */
  function watch(): string | undefined {
    try {
      const stop = watchFiles(root, paths, (files) => {
        for (const file of files) pending.add(file);
        void applyPending();
      });
      signal.addEventListener("abort", stop, { once: true });
      return undefined;
    } catch (error) {
      return describeError(error);
    }
  }

  const problem = watch();
  return (applyFiles) => {
    apply = applyFiles;
    if (problem === undefined) emit({ event: "watching", paths });
    else emit({ event: "warning", message: `Changed files are not applied: ${problem}` });
    void applyPending();
  };
}
