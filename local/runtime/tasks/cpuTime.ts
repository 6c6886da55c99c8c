/** The CPU time of a process and its children, as Linux reports it. */
import { readFileSync } from "node:fs";

export const CAN_MEASURE_CPU = process.platform === "linux";

/** Clock ticks in /proc have this length on all architectures of Node.js. */
const TICK_MICROSECONDS = 10_000;
/** Places of utime, stime, cutime and cstime after the name of the program. */
const TIMES = { first: 11, end: 15 } as const;

/** @returns `undefined` if the process has ended. @see https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
export function cpuMicroseconds(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = fields.slice(TIMES.first, TIMES.end).reduce((sum, field) => sum + Number(field), 0);
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean);
    return children.reduce(
      (sum, child) => sum + (cpuMicroseconds(Number(child)) ?? 0),
      ticks * TICK_MICROSECONDS,
    );
  } catch {
    return undefined;
  }
}
