/** What a part of a run costs: the differences of the servers' counters. */
import type { Cluster, Counters } from "./cluster.ts";

export interface Usage {
  /** CPU time of all primaries, in microseconds. */
  readonly cpuUs: number;
  /** CPU time of the busiest primary, in microseconds. */
  readonly busiestUs: number;
  /** Calls of the given commands. */
  readonly calls: number;
  readonly bytes: number;
  /** Growth of the data and of the subscriptions, in bytes. */
  readonly memoryBytes: number;
  /** Time of these calls without the reading and writing of sockets, in microseconds. */
  readonly callsUs: number;
}

/**
 * Measures the usage until the returned function is called.
 * @param commands the commands that the tasks send, without those that only scripts call.
 */
export async function measureUsage(
  cluster: Cluster,
  commands: readonly string[],
): Promise<() => Promise<Usage>> {
  const before = await cluster.counters();
  return async () => {
    const after = await cluster.counters();
    const nodes = after.map((counters, index) => usageOf(before[index] ?? counters, counters, commands));
    const sum = (figure: keyof Usage): number => nodes.reduce((total, node) => total + node[figure], 0);
    return {
      cpuUs: sum("cpuUs"),
      busiestUs: Math.max(...nodes.map(({ cpuUs }) => cpuUs)),
      calls: sum("calls"),
      bytes: sum("bytes"),
      memoryBytes: sum("memoryBytes"),
      callsUs: sum("callsUs"),
    };
  };
}

/** Divides every figure by a number of messages. */
export function perMessage(usage: Usage, messages: number): Usage {
  return {
    cpuUs: usage.cpuUs / messages,
    busiestUs: usage.busiestUs / messages,
    calls: usage.calls / messages,
    bytes: usage.bytes / messages,
    memoryBytes: usage.memoryBytes / messages,
    callsUs: usage.callsUs / messages,
  };
}

function usageOf(before: Counters, after: Counters, commands: readonly string[]): Usage {
  const sum = (figure: "calls" | "us"): number =>
    commands.reduce(
      (total, name) =>
        total + (after.commands.get(name)?.[figure] ?? 0) - (before.commands.get(name)?.[figure] ?? 0),
      0,
    );
  const cpuUs = after.cpuUs - before.cpuUs;
  return {
    cpuUs,
    busiestUs: cpuUs,
    calls: sum("calls"),
    callsUs: sum("us"),
    bytes: after.bytes - before.bytes - before.replyBytes,
    memoryBytes: after.memoryBytes - before.memoryBytes,
  };
}
