/** CPU time and memory of the servers' processes, as the kernel reports them. */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import type { RunTarget } from "./runs.ts";

const NANOSECONDS = 1e9;
const KIB = 1024;

/** Below this fraction of a CPU, a process is idle. */
const IDLE_CPU = 0.02;
const IDLE_CHECK_MS = 50;
const MAX_IDLE_WAIT_MS = 5000;

/**
 * CPU time of all threads of the processes, in seconds, exact to a nanosecond.
 * @returns `undefined` on systems other than Linux.
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

/** CPU time of this process in seconds. */
export function ownCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** `undefined` if either value is. */
export function difference(after: number | undefined, before: number | undefined): number | undefined {
  return after === undefined || before === undefined ? undefined : after - before;
}

/** Resident memory of the processes in bytes; `undefined` on systems other than Linux. */
export function residentBytes(pids: readonly number[]): number | undefined {
  return sum(
    pids,
    (pid) => Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * KIB,
  );
}

/** Measures the CPU time per second of a target and of its store. */
export async function idleCpu(
  { pids, storePids }: Pick<RunTarget, "pids" | "storePids">,
  seconds: number,
): Promise<{ readonly server: number | undefined; readonly store: number | undefined }> {
  const look = () => ({
    server: cpuSeconds(pids),
    store: storePids && cpuSeconds(storePids),
    at: performance.now(),
  });
  const before = look();
  await sleep(seconds * 1000);
  const after = look();
  const perSecond = (cpu: number | undefined) =>
    cpu === undefined || seconds === 0 ? undefined : (cpu * 1000) / (after.at - before.at);
  return {
    server: perSecond(difference(after.server, before.server)),
    store: perSecond(difference(after.store, before.store)),
  };
}

/** Waits until the processes are idle, for a few seconds at most. */
export async function waitUntilIdle(pids: readonly number[]): Promise<void> {
  const deadline = performance.now() + MAX_IDLE_WAIT_MS;
  let before = cpuSeconds(pids);
  while (performance.now() < deadline) {
    await sleep(IDLE_CHECK_MS);
    const now = cpuSeconds(pids);
    const used = now === undefined || before === undefined ? 0 : now - before;
    if (used < (IDLE_CPU * IDLE_CHECK_MS) / 1000) return;
    before = now;
  }
}

function sum(pids: readonly number[], read: (pid: number) => number): number | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    return pids.reduce((total, pid) => total + read(pid), 0);
  } catch {
    // A process has ended. Its connections fail too, which is reported.
    return undefined;
  }
}
