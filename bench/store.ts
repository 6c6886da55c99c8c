/** A real Valkey of this machine: what several tasks share. */
import { execFileSync } from "node:child_process";

import { findValkeyServer, startValkeyServer } from "../cli/valkeyServer.ts";
import type { Store } from "./bench.ts";

/**
 * @param searchPath folders to look in first, as `PATH` gives them.
 * @param cpu where it runs: it is a part of what is measured.
 * @returns a function that starts one with nothing in it; `undefined` where this machine has none.
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
  // All of its threads, which are there by now.
  if (cpu !== undefined) execFileSync("taskset", ["-acp", String(cpu), String(server.pid)]);
  return { url: server.url, pid: server.pid, stop: () => server.close() };
}
