/**
 * Records the port and process id of each running stack, so that the error for a taken port can name the stack. All checkouts of a
 * user share one folder. It has a file for each port, which contains the process id.
 */
import { execFile } from "node:child_process";
import { lstat, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

const USER_ID = process.getuid?.();
const FOLDER = path.join(tmpdir(), `local-stack-ports-${USER_ID ?? "user"}`);

const PROCESS_ID = /^[1-9]\d*$/;
/** An argument of the process that `npm start` or the command of the npm package runs. */
const STACK_SCRIPT = /(^|\/)(local\/main\.ts|pulumi-websocket-server(\.js)?)$/;

/**
 * Records that this process listens on a port, if the folder is writable.
 * @returns a function that removes the record. Call it before the port becomes free.
 */
export async function recordPort(port: number, folder = FOLDER): Promise<() => Promise<void>> {
  const file = path.join(folder, String(port));
  const remove = (): Promise<void> => rm(file, { force: true }).catch(() => undefined);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if (!(await isOwn(folder))) return () => Promise.resolve();
    await remove();
    await writeFile(file, String(process.pid), { flag: "wx" });
  } catch {
    // Without the record, another stack reports only that the port is taken.
  }
  return remove;
}

/** The process id of another stack of this project that has recorded the port and still runs. */
export async function findStackAt(port: number, folder = FOLDER): Promise<number | undefined> {
  try {
    if (!(await isOwn(folder))) return undefined;
    const record = await readFile(path.join(folder, String(port)), "utf8");
    if (!PROCESS_ID.test(record)) return undefined;
    const pid = Number(record);
    return pid !== process.pid && (await isStack(pid)) ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** All users may write to the temporary folder, so the folder may be that of another user. */
async function isOwn(folder: string): Promise<boolean> {
  const stats = await lstat(folder);
  return stats.isDirectory() && (USER_ID === undefined || stats.uid === USER_ID);
}

/** A stack that was killed leaves its record behind, and another process may have the process id now. */
async function isStack(pid: number): Promise<boolean> {
  return (await argumentsOf(pid)).some((argument) => STACK_SCRIPT.test(argument));
}

/** @throws {Error} if no such process runs. */
async function argumentsOf(pid: number): Promise<readonly string[]> {
  if (process.platform === "linux") return (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0");
  // macOS and the BSDs. An argument that contains a space becomes two here.
  const { stdout } = await run("ps", ["-ww", "-o", "args=", "-p", String(pid)]);
  return stdout.trim().split(" ");
}
