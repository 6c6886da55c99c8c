/** One CPU for the servers and one for the generator, so that neither takes the other's time. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

export interface Pinning {
  readonly server: number;
  readonly generator: number;
}

/** @returns `undefined` without `taskset`, or with one CPU. */
export function choosePinning(): Pinning | undefined {
  if (process.platform !== "linux" || spawnSync("taskset", ["--version"]).error !== undefined)
    return undefined;
  const list = /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "";
  const [server, generator] = cpusOf(list);
  return server === undefined || generator === undefined ? undefined : { server, generator };
}

/** Parses a list such as `0-3,8`. */
export function cpusOf(list: string): readonly number[] {
  return (list.match(/\d+(-\d+)?/g) ?? []).flatMap((range) => {
    const [first = NaN, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

/** The command that runs `file` on one CPU; on any CPU if `cpu` is `undefined`. */
export function pinned(
  cpu: number | undefined,
  file: string,
  args: readonly string[],
): readonly [file: string, args: readonly string[]] {
  return cpu === undefined ? [file, args] : ["taskset", ["-c", String(cpu), file, ...args]];
}
