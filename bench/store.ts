/** The Valkey of this machine, which several tasks share. */
import { execFileSync } from "node:child_process";

import { LOOPBACK } from "../cli/loopback.ts";
import { findValkeyServer, startValkeyServer } from "../cli/valkeyServer.ts";
import { startCluster } from "./backplanes/cluster.ts";
import type { Store } from "./bench.ts";
import type { StoreOptions } from "./case.ts";

/**
 * @param searchPath folders in the form of `PATH`.
 * @param cpu the CPU that it runs on.
 * @returns a function that starts an empty Valkey; `undefined` if this machine has none.
 */
export async function findStore(
  searchPath: string | undefined,
  cpu: number | undefined,
): Promise<((options: StoreOptions) => Promise<Store>) | undefined> {
  const binary = await findValkeyServer(searchPath);
  return binary === undefined ? undefined : (options) => startStore(binary, cpu, options);
}

async function startStore(
  binary: string,
  cpu: number | undefined,
  { primaries }: StoreOptions,
): Promise<Store> {
  const store = primaries === undefined ? await startOne(binary) : await startPrimaries(primaries);
  // Pins all threads, which exist after the start.
  if (cpu !== undefined)
    for (const pid of store.pids) execFileSync("taskset", ["-acp", String(cpu), String(pid)]);
  return store;
}

async function startOne(binary: string): Promise<Store> {
  const server = await startValkeyServer({ binary });
  return { url: server.url, isCluster: false, pids: [server.pid], stop: () => server.close() };
}

async function startPrimaries(primaries: number): Promise<Store> {
  const cluster = await startCluster(primaries);
  const { ports, pids } = cluster;
  return {
    url: `redis://${LOOPBACK}:${ports[0] ?? 0}`,
    isCluster: true,
    pids,
    stop: () => cluster.close(),
  };
}
