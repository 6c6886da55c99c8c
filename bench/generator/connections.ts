import { setTimeout as sleep } from "node:timers/promises";

import { openClients } from "./clients.ts";
import { cpuSeconds, difference, ownCpuSeconds, residentBytes } from "./processes.ts";
import type { ConnectionsFigures, ConnectionsRun, RunTarget } from "./runs.ts";

/** Measures handshakes and the memory of idle connections. */
export async function runConnections(run: ConnectionsRun, target: RunTarget): Promise<ConnectionsFigures> {
  const failure = Promise.withResolvers<never>();
  const memoryBefore = residentBytes(target.pids);
  const cpuBefore = cpuSeconds(target.pids);
  const ownCpuBefore = ownCpuSeconds();
  const startedAt = performance.now();
  const clients = openClients({
    target,
    count: run.clients,
    concurrency: run.concurrency,
    onBytes: () => undefined,
    onFailed: failure.reject,
  });
  try {
    await Promise.race([clients.ready, failure.promise]);
    const seconds = (performance.now() - startedAt) / 1000;
    const serverCpu = difference(cpuSeconds(target.pids), cpuBefore);
    const generatorCpu = ownCpuSeconds() - ownCpuBefore;
    await Promise.race([sleep(run.idleSeconds * 1000), failure.promise]);
    const memoryGrowthBytes = difference(residentBytes(target.pids), memoryBefore);
    return { seconds, serverCpu, generatorCpu, memoryGrowthBytes };
  } finally {
    clients.destroy();
  }
}
