/** Builds of the server, each in a folder with the files of the image: a task that starts later runs what it was built from. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, lstat, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { globSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ExpectedError } from "../../app/src/settings/expectedError.ts";

/** Maximum time for a build, which usually takes less than a second. */
const BUILD_TIMEOUT_MS = 60_000;

const FOLDER_PREFIX = "websocket-images-";
/** The process id is in the name, so that a later process can remove the folder of a process that was killed. */
const FOLDER = new RegExp(`^${FOLDER_PREFIX}([1-9]\\d*)-`);

export interface Image {
  /** The server's file. */
  readonly entry: string;
  /** Hash of all files. */
  readonly digest: string;
}

/** One build runs at a time. The disposal ends it. */
export interface Images extends AsyncDisposable {
  /** @throws {ExpectedError} with the output of the build. */
  build(): Promise<Image>;
  /** Removes the builds that are no longer used. @param isUsed whether a task may run this file. */
  prune(isUsed: (entry: string) => boolean): Promise<void>;
}

/** @param root folder of the repository. */
export async function createImages(root: string): Promise<Images> {
  await removeAbandoned(tmpdir());
  const folder = await mkdtemp(path.join(tmpdir(), `${FOLDER_PREFIX}${process.pid}-`));
  const built = new Map<string, string>();
  const disposed = new AbortController();
  let count = 0;
  let building: Promise<unknown> | undefined;

  async function build(): Promise<Image> {
    const image = path.join(folder, String(++count));
    // The same depth as in the image, from which the server finds the console.
    const dist = path.join(image, "app", "dist");
    const console = path.join(image, "console");
    await runBuild(root, dist, disposed.signal);
    await cp(path.join(root, "console"), console, { recursive: true });
    await cp(path.join(dist, "client.js"), path.join(console, "client.js"));
    const entry = path.join(dist, "server.mjs");
    built.set(entry, image);
    return { entry, digest: await hashFolder(image) };
  }

  return {
    build() {
      const image = build();
      building = image.catch(() => undefined);
      return image;
    },
    async prune(isUsed) {
      const unused = [...built].filter(([entry]) => !isUsed(entry));
      for (const [entry] of unused) built.delete(entry);
      // The disposal removes what cannot be removed now.
      await Promise.allSettled(unused.map(([, image]) => rm(image, { recursive: true, force: true })));
    },
    async [Symbol.asyncDispose]() {
      disposed.abort();
      // It writes into the folder.
      await building;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Removes the folders of this user whose process has ended without a disposal. */
async function removeAbandoned(parent: string): Promise<void> {
  // What cannot be listed or removed does not prevent the start.
  const names = await readdir(parent).catch(() => []);
  const removals = names.map(async (name) => {
    const pid = FOLDER.exec(name)?.[1];
    if (pid === undefined || isRunning(Number(pid))) return;
    const folder = path.join(parent, name);
    // All users may write to the temporary folder.
    const { uid } = await lstat(folder);
    if (uid === (process.getuid?.() ?? uid)) await rm(folder, { recursive: true, force: true });
  });
  await Promise.allSettled(removals);
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // EPERM: the process is that of another user.
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}

/** Builds as the Dockerfile does, in a process of its own, because esbuild leaves one running. */
function runBuild(root: string, folder: string, signal: AbortSignal): Promise<void> {
  const args = [path.join(root, "app", "build.ts"), folder];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { timeout: BUILD_TIMEOUT_MS, signal }, (error, _stdout, stderr) => {
      if (error === null) resolve();
      else reject(new ExpectedError(stderr.trim() === "" ? error.message : stderr.trim()));
    });
  });
}

async function hashFolder(folder: string): Promise<string> {
  const hash = createHash("sha256");
  const files = globSync("**", { cwd: folder, withFileTypes: true }).filter((entry) => entry.isFile());
  for (const file of files.map(({ parentPath, name }) => path.join(parentPath, name)).sort()) {
    hash.update(`${path.relative(folder, file)}\0`).update(await readFile(file));
  }
  return hash.digest("hex");
}
