/** What every command of this project, including the server, does first with its process. */
import { readFileSync } from "node:fs";

/** Interval at which the parent is checked. */
const PARENT_CHECK_INTERVAL_MS = 500;

/** Error codes of a write to a pipe without a reader, or to a closed terminal. */
const BROKEN_PIPE_CODES: readonly unknown[] = ["EPIPE", "EIO"];

/** The fourth field of `/proc/PID/stat`; the second one is a name in parentheses, which may contain any character. */
const STAT_PARENT = /^.*\) \S+ (\d+)/s;

/** Drops output that has no reader. Otherwise the next line that a command prints would end its process. */
export function ignoreBrokenPipes({ stdout, stderr }: Pick<NodeJS.Process, "stdout" | "stderr">): void {
  for (const stream of [stdout, stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (!BROKEN_PIPE_CODES.includes(error.code)) throw error;
    });
  }
}

/**
 * Detects the end of npm, if npm has started this process. npm does not forward SIGKILL, and not every SIGTERM.
 * @param onOrphaned called once, and never in a process that npm has not started: a login shell may end before its child.
 */
export function watchParent(process: Pick<NodeJS.Process, "env" | "ppid">, onOrphaned: () => void): void {
  if (process.env["npm_lifecycle_event"] === undefined) return;
  const { ppid } = process;
  const npm = parentOfShell(ppid);
  const timer = setInterval(() => {
    // A failed read does not prove that npm has ended: the process can have too many open files.
    if (process.ppid === ppid && (npm === undefined || (parentOfShell(ppid) ?? npm) === npm)) return;
    clearInterval(timer);
    onOrphaned();
  }, PARENT_CHECK_INTERVAL_MS).unref();
}

/**
 * If the process is the shell in which npm runs a script, returns its parent, which is npm. The shell continues after npm is killed.
 * Many shells are replaced by the script, whose parent is npm then.
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
