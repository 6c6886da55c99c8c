import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";

import { LatencyHistogram } from "../../../load-test/parts/histogram.ts";
import { cpuSeconds, difference, idleCpu, ownCpuSeconds } from "../processes.ts";
import type { LoneFigures, LoneRun, RunTarget } from "../runs.ts";
import { openChannelClients } from "./channelClients.ts";

/** Messages at once when each channel gets its first one. */
const FIRST_AT_ONCE = 64;
const IDLE_SECONDS = 5;

/** Publishes one message at a time to a random channel, from the client that subscribes to it. */
export async function runLone(run: LoneRun, target: RunTarget): Promise<LoneFigures> {
  const { channels, messages, messageBytes, settleSeconds } = run;
  const histogram = new LatencyHistogram();
  let isMeasured = false;
  let onComplete: () => void = () => undefined;
  const clients = openChannelClients({
    target,
    clients: channels,
    channels,
    messageBytes,
    onDelivery({ at }) {
      if (isMeasured) histogram.record(performance.now() - at);
    },
    onComplete: () => {
      onComplete();
    },
  });

  const publishToAll = async (): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    let next = 0;
    const publishNext = () => {
      if (next < channels) clients.publish(next, next++);
      else if (clients.inFlight === 0) resolve(undefined);
    };
    onComplete = publishNext;
    for (let index = 0; index < Math.min(FIRST_AT_ONCE, channels); index++) publishNext();
    await promise;
  };

  const publishOne = (): Promise<unknown> => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    onComplete = () => {
      resolve(undefined);
    };
    const channel = Math.floor(Math.random() * channels);
    clients.publish(channel, channel);
    return promise;
  };

  const measure = async (): Promise<LoneFigures> => {
    await clients.ready;
    await publishToAll();
    await sleep(settleSeconds * 1000);
    const idle = await idleCpu(target, IDLE_SECONDS);
    isMeasured = true;
    const look = () => ({
      at: performance.now(),
      server: cpuSeconds(target.pids),
      store: target.storePids && cpuSeconds(target.storePids),
      own: ownCpuSeconds(),
    });
    const before = look();
    for (let message = 0; message < messages; message++) {
      await publishOne();
      // The next message is no part of the turn that read this one.
      await nextTurn();
    }
    const after = look();
    // A message causes work of the store later too.
    await sleep(settleSeconds * 1000);
    const settled = look();
    const idleStore = ((idle.store ?? 0) * (settled.at - before.at)) / 1000;
    const storeCpu = difference(settled.store, before.store);
    return {
      seconds: (after.at - before.at) / 1000,
      messages,
      p50Ms: histogram.quantile(0.5),
      p99Ms: histogram.quantile(0.99),
      serverCpu: difference(after.server, before.server),
      storeCpu: storeCpu === undefined ? undefined : Math.max(0, storeCpu - idleStore),
      idleStoreCpu: idle.store,
      generatorCpu: after.own - before.own,
    };
  };

  try {
    return await Promise.race([measure(), clients.failed]);
  } finally {
    clients.destroy();
  }
}
