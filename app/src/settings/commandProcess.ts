/** What every command of this project does with its process first, the server too. */
import { readFileSync } from "node:fs";

/** How often the parents are looked after. */
const PARENT_CHECK_INTERVAL_MS = 500;

/** What a write reports when the reader of a pipe, or the terminal, has gone. */
const BROKEN_PIPE_CODES: readonly unknown[] = ["EPIPE", "EIO"];

/** The fourth field of `/proc/PID/stat`; the second one is a name in parentheses, which may contain any character. */
const STAT_PARENT = /^.*\) \S+ (\d+)/s;

/** Drops output that has no reader. Without it, the next line that a command prints ends its process. */
export function ignoreBrokenPipes({ stdout, stderr }: Pick<NodeJS.Process, "stdout" | "stderr">): void {
  for (const stream of [stdout, stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (!BROKEN_PIPE_CODES.includes(error.code)) throw error;
    });
  }
}

/**
 * Notices when npm, which started this process, has ended: npm passes no SIGKILL and not every SIGTERM on.
 * @param onOrphaned called once; never in a process that npm has not started: a login shell may end before its child.
 */
export function watchParent(process: Pick<NodeJS.Process, "env" | "ppid">, onOrphaned: () => void): void {
  if (process.env["npm_lifecycle_event"] === undefined) return;
  const { ppid } = process;
  const npm = parentOfShell(ppid);
  const timer = setInterval(() => {
    // What cannot be read now, such as when the process has too many files open, does not mean that npm has ended.
    if (process.ppid === ppid && (npm === undefined || (parentOfShell(ppid) ?? npm) === npm)) return;
    clearInterval(timer);
    onOrphaned();
  }, PARENT_CHECK_INTERVAL_MS).unref();
}

/**
 * If the process is the shell in which npm runs a script, returns its parent: npm. A shell outlives an npm that is killed. (Many
 * shells are replaced by the script, and the script's parent is npm.)
 */
function parentOfShell(pid: number): string | undefined {
  try {
    const [, flag] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    if (flag !== "-c") return undefined;
    return STAT_PARENT.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1];
  } catch {
    // A system without /proc, or the shell has just ended.
    return undefined;
  }
}
