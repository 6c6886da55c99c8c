import { setTimeout as sleep } from "node:timers/promises";

import { cpuSeconds, difference, ownCpuSeconds } from "../processes.ts";
import type { PublishFigures, PublishRun, RunTarget } from "../runs.ts";
import { openChannelClients } from "./channelClients.ts";

/** Measures publishes to many channels, and the CPU time of each process of the store. */
export async function runPublish(run: PublishRun, target: RunTarget): Promise<PublishFigures> {
  const { clients: count, channels, messageBytes, inFlight, warmSeconds, seconds } = run;
  let isOver = false;
  let onComplete: () => void = () => undefined;
  const clients = openChannelClients({
    target,
    clients: count,
    channels,
    messageBytes,
    onDelivery: () => undefined,
    onComplete({ publisher }) {
      if (!isOver) publish(publisher);
      else if (clients.inFlight === 0) onComplete();
    },
  });
  const publish = (client: number): void => {
    clients.publish(client, Math.floor(Math.random() * channels));
  };

  const look = () => ({
    at: performance.now(),
    messages: clients.completed,
    server: cpuSeconds(target.pids),
    stores: target.storePids?.map((pid) => cpuSeconds([pid])),
    own: ownCpuSeconds(),
  });

  const measure = async (): Promise<PublishFigures> => {
    await clients.ready;
    for (let client = 0; client < count; client++) {
      for (let message = 0; message < inFlight; message++) publish(client);
    }
    await sleep(warmSeconds * 1000);
    const before = look();
    await sleep(seconds * 1000);
    const after = look();
    const stores = after.stores?.map((cpu, index) => difference(cpu, before.stores?.[index]) ?? 0);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    onComplete = () => {
      resolve(undefined);
    };
    isOver = true;
    if (clients.inFlight > 0) await promise;
    return {
      seconds: (after.at - before.at) / 1000,
      messages: after.messages - before.messages,
      serverCpu: difference(after.server, before.server),
      busiestStoreCpu: stores && Math.max(...stores),
      generatorCpu: after.own - before.own,
    };
  };

  try {
    return await Promise.race([measure(), clients.failed]);
  } finally {
    clients.destroy();
  }
}
