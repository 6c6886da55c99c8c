/** Reports changed files, once for all files that an editor or a tool writes together. */
import { existsSync, type FSWatcher, lstatSync, readdirSync, watch } from "node:fs";
import path from "node:path";

/** Time without a further change after which the changes are reported. Editors write, rename and touch files for one save. */
const QUIET_MS = 60;
/** Time after which changes are reported even if a file changes all the time. */
const MAX_WAIT_MS = 1000;

/** Swap and backup files of editors, and folders that tools write. */
const IGNORED = /(?:^|\/)(?:\.[^/]*|4913|#[^/]*|[^/]*(?:~|\.sw[a-z]|\.tmp)|node_modules|dist)(?:\/|$)/;

/**
 * Watches files, and folders with everything in them, until the returned function is called. A missing file can appear later.
 *
 * Each folder has a watcher of its own, because the recursive one of Node 24 on Linux loses a file that is replaced by a rename, as
 * many editors do. A symbolic link counts as a file: it can lead to its own folder, or to the whole disk.
 * @param paths relative to the root, with slashes. A path with an extension is a file of the root.
 * @param onChange called with the changed files, relative to the root.
 */
export function watchFiles(
  root: string,
  paths: readonly string[],
  onChange: (files: readonly string[]) => void,
): () => void {
  const files = new Set(paths.filter((entry) => path.extname(entry) !== ""));
  const watchers = new Map<string, FSWatcher>();
  const changed = new Set<string>();
  let quiet: NodeJS.Timeout | undefined;
  let latest: NodeJS.Timeout | undefined;

  function clearTimers(): void {
    clearTimeout(quiet);
    clearTimeout(latest);
    latest = undefined;
  }

  function reportAll(): void {
    clearTimers();
    const reported = [...changed].sort();
    changed.clear();
    // A file that exists no longer is that of a tool, if others have changed with it.
    const existing = reported.filter((name) => existsSync(path.join(root, name)));
    onChange(existing.length > 0 ? existing : reported);
  }

  function report(file: string): void {
    changed.add(file);
    clearTimeout(quiet);
    quiet = setTimeout(reportAll, QUIET_MS);
    latest ??= setTimeout(reportAll, MAX_WAIT_MS);
  }

  function watchFolder(folder: string, onName: (name: string) => void): void {
    const watcher = watch(path.join(root, folder), (_type, name) => {
      if (name !== null) onName(name);
    });
    // Windows reports the removal of the folder as an error.
    watcher.on("error", () => {
      forget(folder);
    });
    watchers.set(folder, watcher);
  }

  /** @returns the files in the folder and its folders. */
  function watchTree(folder: string): readonly string[] {
    if (IGNORED.test(folder)) return [];
    if (!watchers.has(folder)) {
      watchFolder(folder, (name) => {
        onEntry(path.posix.join(folder, name));
      });
    }
    return readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
      const name = path.posix.join(folder, entry.name);
      return entry.isDirectory() ? watchTree(name) : [name];
    });
  }

  function onEntry(entry: string): void {
    if (IGNORED.test(entry)) return;
    if (isFolder(root, entry)) {
      // Files may have been written before the watcher was there.
      if (!watchers.has(entry)) for (const file of watchNew(entry)) onEntry(file);
    } else {
      forget(entry);
      report(entry);
    }
  }

  function watchNew(folder: string): readonly string[] {
    try {
      return watchTree(folder);
    } catch {
      // The folder has disappeared already.
      forget(folder);
      return [];
    }
  }

  /** Ends the watchers of a folder that was removed or renamed. */
  function forget(folder: string): void {
    for (const [other, watcher] of watchers) {
      if (other !== folder && !other.startsWith(`${folder}/`)) continue;
      watcher.close();
      watchers.delete(other);
    }
  }

  for (const entry of paths) if (isFolder(root, entry)) watchTree(entry);
  watchFolder("", (name) => {
    if (files.has(name)) report(name);
  });
  return () => {
    clearTimers();
    for (const watcher of watchers.values()) watcher.close();
  };
}

function isFolder(root: string, entry: string): boolean {
  return lstatSync(path.join(root, entry), { throwIfNoEntry: false })?.isDirectory() ?? false;
}
