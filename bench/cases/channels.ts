/** Cases with messages of many channels, through Valkey. */
import type { Case } from "../case.ts";
import { OWN_SERVERS } from "../contestants.ts";
import type { LoneFigures, PublishFigures } from "../generator/runs.ts";
import { MANY_CONNECTIONS } from "./connections.ts";
import { MICROSECONDS, percent, quotient, rowOf } from "./columns.ts";

const MESSAGE_BYTES = 100;
const FEW_CHANNELS = 40;

export const CHANNEL_CASES: readonly Case[] = [lone("lone"), cluster("cluster")];

/** The cost of a message must not depend on the number of other channels. */
function lone(name: string): Case {
  const messages = 4000;
  return {
    name,
    group: "channels",
    title: `${MANY_CONNECTIONS} connections, each with a channel of its own, and ${FEW_CHANNELS} such connections; one message at a time, through Valkey`,
    columns: [
      { key: "p50Ms", title: "p50, ms", ratio: true },
      { key: "p50Factor", title: `÷ ${FEW_CHANNELS} channels`, ratio: false },
      { key: "p99Ms", title: "p99, ms", ratio: true },
      { key: "p99Factor", title: `÷ ${FEW_CHANNELS} channels`, ratio: false },
      { key: "storeUs", title: "store CPU per message, µs", ratio: true },
      { key: "storeFactor", title: `÷ ${FEW_CHANNELS} channels`, ratio: false },
      { key: "serverUs", title: "server CPU per message, µs", ratio: true },
      { key: "serverFactor", title: `÷ ${FEW_CHANNELS} channels`, ratio: false },
      { key: "idleStorePercent", title: "idle store CPU %", ratio: false },
    ],
    only: OWN_SERVERS,
    tasks: 1,
    fresh: true,
    async measure({ run, restart, effort }) {
      const common = {
        kind: "lone",
        messages: messages * effort.loneMessageFactor,
        messageBytes: MESSAGE_BYTES,
        settleSeconds: effort.loneSettleSeconds,
      } as const;
      const few = await run({ ...common, channels: FEW_CHANNELS });
      if (few.outcome !== "measured") return few;
      await restart();
      const base = costOf(few.figures);
      return rowOf(await run({ ...common, channels: MANY_CONNECTIONS }), (figures) => {
        const { p50Ms, p99Ms, idleStoreCpu } = figures;
        const { storeUs, serverUs } = costOf(figures);
        return {
          p50Ms,
          p50Factor: quotient(p50Ms, few.figures.p50Ms),
          p99Ms,
          p99Factor: quotient(p99Ms, few.figures.p99Ms),
          storeUs,
          storeFactor: quotient(storeUs, base.storeUs),
          serverUs,
          serverFactor: quotient(serverUs, base.serverUs),
          idleStorePercent: percent(idleStoreCpu),
        };
      });
    },
  };
}

/** The CPUs of this machine are shared, so the busier primary is the measure: with a CPU for each, it limits the messages. */
function cluster(name: string): Case {
  const load = {
    kind: "publish",
    clients: 10,
    channels: 1000,
    messageBytes: MESSAGE_BYTES,
  } as const;
  const inFlight = 16;
  return {
    name,
    group: "channels",
    title: `${load.clients} publishers with ${inFlight} messages in flight for each primary, ${load.channels} channels, a cluster of two primaries`,
    columns: [
      {
        key: "messagesPerStoreCpuSecond",
        title: "messages per CPU-second of the busier primary",
        ratio: true,
      },
      { key: "messagesPerStoreCpuSecondOfOne", title: "with one primary", ratio: true },
      { key: "factor", title: "two ÷ one", ratio: false },
      { key: "messagesPerSecond", title: "messages/s", ratio: false },
      { key: "messagesPerServerCpuSecond", title: "messages per server CPU-second", ratio: true },
    ],
    only: ["this"],
    tasks: 1,
    fresh: true,
    async measure({ run, restart, effort }) {
      const { warmSeconds, openLoopSeconds: seconds } = effort;
      const perform = async (primaries: number) => {
        await restart({ primaries });
        return run({ ...load, warmSeconds, seconds, inFlight: inFlight * primaries });
      };
      const one = await perform(1);
      if (one.outcome !== "measured") return one;
      const perStoreCpuSecond = ({ messages, busiestStoreCpu }: PublishFigures) =>
        quotient(messages, busiestStoreCpu);
      return rowOf(await perform(2), (two) => ({
        messagesPerStoreCpuSecond: perStoreCpuSecond(two),
        messagesPerStoreCpuSecondOfOne: perStoreCpuSecond(one.figures),
        factor: quotient(perStoreCpuSecond(two), perStoreCpuSecond(one.figures)),
        messagesPerSecond: two.messages / two.seconds,
        messagesPerServerCpuSecond: quotient(two.messages, two.serverCpu),
      }));
    },
  };
}

function costOf({ storeCpu, serverCpu, messages }: LoneFigures): {
  readonly storeUs: number | undefined;
  readonly serverUs: number | undefined;
} {
  const perMessage = messages / MICROSECONDS;
  return { storeUs: quotient(storeCpu, perMessage), serverUs: quotient(serverCpu, perMessage) };
}
