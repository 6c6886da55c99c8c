/** Server and generator on a CPU each, so that neither takes the other's time. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

export interface Pinning {
  readonly server: number;
  readonly generator: number;
}

/** @returns `undefined` where there is no `taskset`, or only one CPU. */
export function choosePinning(): Pinning | undefined {
  if (process.platform !== "linux" || spawnSync("taskset", ["--version"]).error !== undefined)
    return undefined;
  const list = /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "";
  const [server, generator] = cpusOf(list);
  return server === undefined || generator === undefined ? undefined : { server, generator };
}

/** The CPUs of a list such as `0-3,8`. */
export function cpusOf(list: string): readonly number[] {
  return (list.match(/\d+(-\d+)?/g) ?? []).flatMap((range) => {
    const [first = NaN, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

/** The command that runs `file` on a CPU; anywhere where `cpu` is left out. */
export function pinned(
  cpu: number | undefined,
  file: string,
  args: readonly string[],
): readonly [file: string, args: readonly string[]] {
  return cpu === undefined ? [file, args] : ["taskset", ["-c", String(cpu), file, ...args]];
}
