/** What the kernel knows of the servers' processes. */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const NANOSECONDS = 1e9;
const KIB = 1024;

/** Processes that use less than this part of a CPU have nothing left to do. */
const IDLE_CPU = 0.02;
const IDLE_LOOK_MS = 50;
const IDLE_PATIENCE_MS = 5000;

/**
 * Time that all threads of the processes have had a CPU, in seconds, to the nanosecond.
 * `undefined` where the system does not tell: only Linux does.
 */
export function cpuSeconds(pids: readonly number[]): number | undefined {
  return sum(pids, (pid) =>
    readdirSync(`/proc/${pid}/task`).reduce(
      // https://docs.kernel.org/scheduler/sched-stats.html: the first number is the time on the CPU.
      (total, thread) =>
        total +
        Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]) / NANOSECONDS,
      0,
    ),
  );
}

/** Resident memory of the processes, in bytes; `undefined` where the system does not tell. */
export function residentBytes(pids: readonly number[]): number | undefined {
  return sum(
    pids,
    (pid) => Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * KIB,
  );
}

/** Waits until the processes have nothing left to do, a few seconds at most. */
export async function waitUntilIdle(pids: readonly number[]): Promise<void> {
  const deadline = performance.now() + IDLE_PATIENCE_MS;
  let before = cpuSeconds(pids);
  while (performance.now() < deadline) {
    await sleep(IDLE_LOOK_MS);
    const now = cpuSeconds(pids);
    const used = now === undefined || before === undefined ? 0 : now - before;
    if (used < (IDLE_CPU * IDLE_LOOK_MS) / 1000) return;
    before = now;
  }
}

function sum(pids: readonly number[], read: (pid: number) => number): number | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    return pids.reduce((total, pid) => total + read(pid), 0);
  } catch {
    // A process has ended: its connections end, too, and say so.
    return undefined;
  }
}
