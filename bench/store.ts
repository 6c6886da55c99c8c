/** The Valkey of this machine, which several tasks share. */
import { execFileSync } from "node:child_process";

import { findValkeyServer, startValkeyServer } from "../cli/valkeyServer.ts";
import type { Store } from "./bench.ts";

/**
 * @param searchPath folders in the form of `PATH`.
 * @param cpu the CPU that it runs on.
 * @returns a function that starts an empty Valkey; `undefined` if this machine has none.
 */
export async function findStore(
  searchPath: string | undefined,
  cpu: number | undefined,
): Promise<(() => Promise<Store>) | undefined> {
  const binary = await findValkeyServer(searchPath);
  return binary === undefined ? undefined : () => startStore(binary, cpu);
}

async function startStore(binary: string, cpu: number | undefined): Promise<Store> {
  const server = await startValkeyServer({ binary });
  // Pins all threads, which exist after the start.
  if (cpu !== undefined) execFileSync("taskset", ["-acp", String(cpu), String(server.pid)]);
  return { url: server.url, pid: server.pid, stop: () => server.close() };
}
