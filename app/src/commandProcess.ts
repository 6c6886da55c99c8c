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
  const first = parentsOf(process);
  const timer = setInterval(() => {
    if (parentsOf(process) === first) return;
    clearInterval(timer);
    onOrphaned();
  }, PARENT_CHECK_INTERVAL_MS).unref();
}

/**
 * Names the process's parent and, if that is the shell in which npm runs a script, the shell's parent: npm. A shell outlives
 * an npm that is killed. (Many shells are replaced by the script, and the parent is npm.)
 */
function parentsOf({ ppid }: Pick<NodeJS.Process, "ppid">): string {
  try {
    const [, flag] = readFileSync(`/proc/${ppid}/cmdline`, "utf8").split("\0");
    if (flag !== "-c") return String(ppid);
    return `${ppid} ${STAT_PARENT.exec(readFileSync(`/proc/${ppid}/stat`, "utf8"))?.[1]}`;
  } catch {
    // A system without /proc, or the parent has just ended.
    return String(ppid);
  }
}
