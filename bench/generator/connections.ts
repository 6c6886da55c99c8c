import { setTimeout as sleep } from "node:timers/promises";

import { answerHeartbeat } from "./client.ts";
import { openClients } from "./clients.ts";
import { cpuSeconds, difference, idleCpu, ownCpuSeconds, residentBytes } from "./processes.ts";
import { PROTOCOLS } from "./protocols.ts";
import { readFrames } from "./received.ts";
import type { ConnectionsFigures, ConnectionsRun, RunTarget } from "./runs.ts";

/** Measures handshakes and subscriptions, and the memory and CPU time of idle connections. */
export async function runConnections(run: ConnectionsRun, target: RunTarget): Promise<ConnectionsFigures> {
  const { ownChannels, settleSeconds, idleSeconds = 0 } = run;
  const protocol = PROTOCOLS[target.protocol];
  const failure = Promise.withResolvers<never>();
  /** Bytes of incomplete frames, by client. */
  const rests: (Buffer | undefined)[] = [];
  const memoryBefore = residentBytes(target.pids);
  const cpuBefore = cpuSeconds(target.pids);
  const ownCpuBefore = ownCpuSeconds();
  const startedAt = performance.now();
  const clients = openClients({
    target,
    count: run.clients,
    concurrency: run.concurrency,
    ...(ownChannels !== undefined && { channelsOf: (index: number) => channelsOf(index, ownChannels) }),
    onBytes(index, read) {
      const rest = rests[index];
      const bytes = rest === undefined ? read : Buffer.concat([rest, read]);
      const answer = (text: Buffer) => clients.all[index]?.write(text);
      rests[index] = readFrames(bytes, ({ opcode, payload, end }) =>
        answerHeartbeat(protocol, opcode, bytes.subarray(payload, end), answer),
      );
    },
    onFailed: failure.reject,
  });
  try {
    await Promise.race([clients.ready, failure.promise]);
    const seconds = (performance.now() - startedAt) / 1000;
    const serverCpu = difference(cpuSeconds(target.pids), cpuBefore);
    const generatorCpu = ownCpuSeconds() - ownCpuBefore;
    await Promise.race([sleep(settleSeconds * 1000), failure.promise]);
    const memoryGrowthBytes = difference(residentBytes(target.pids), memoryBefore);
    const idle = await Promise.race([idleCpu(target, idleSeconds), failure.promise]);
    return {
      seconds,
      serverCpu,
      generatorCpu,
      memoryGrowthBytes,
      idleServerCpu: idle.server,
      idleStoreCpu: idle.store,
    };
  } finally {
    clients.destroy();
  }
}

function channelsOf(client: number, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `user.${client * count + index}`);
}
