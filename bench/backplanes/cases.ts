/** The cases: each is one run of one design, with a cluster of its own. */
import { setTimeout as sleep } from "node:timers/promises";

import type { Design } from "./backplane.ts";
import { startCluster } from "./cluster.ts";
import type { Cluster } from "./cluster.ts";
import { heapBytes, openTasks, TASKS } from "./tasks.ts";
import type { Received } from "./tasks.ts";
import { measureUsage, perMessage } from "./usage.ts";
import type { Usage } from "./usage.ts";

/** Figures by name. */
export type Figures = Readonly<Record<string, number>>;

export interface Run {
  /** Following, lone messages, verifying, and unfollowing. */
  readonly kind: "lone" | "load" | "loss";
  readonly channels: number;
  readonly primaries: number;
  /** Share of a full run, for a quick check. */
  readonly effort: number;
}

/** Channels that are followed by two of three tasks have two deliveries per message. */
const FOLLOWERS = TASKS - 1;

/** The figures are those of the best sample: the others were disturbed. */
const LONE_SAMPLES = 10;
const LONE_MESSAGES = 150;
const LONE_PAUSE_MS = 1;
const IDLE_MS = 1000;
const PREPARED_AT_ONCE = 1000;

const PUBLISHERS = 10;
/** Messages of a publisher that are under way. */
const WINDOW = 16;
const WARM_UP_MS = 500;
const LOAD_SAMPLES = 10;
const LOAD_SAMPLE_MS = 300;

const CUTS = 3;
const CUT_MS = 500;
const LOSS_PAUSE_MS = 3;
const DROP_EVERY = 50;
const SETTLE_MS = 1000;

const NUMBER_DIGITS = 9;
/** With the number, a payload has 100 bytes. */
const FILLING = "x".repeat(87);

const MS = 1000;

export async function perform(design: Design, run: Run): Promise<Figures> {
  const cluster = await startCluster(run.primaries);
  try {
    const channels = Array.from({ length: run.channels }, (_, index) => `user.${index}`);
    return await { lone, load, loss }[run.kind](design, cluster, channels, run.effort);
  } finally {
    await cluster.close();
  }
}

async function lone(
  design: Design,
  cluster: Cluster,
  channels: readonly string[],
  effort: number,
): Promise<Figures> {
  let expected = 0;
  let onAll = (): void => undefined;
  const tasks = await openTasks(design, cluster, ({ payloads }) => {
    expected -= payloads.length;
    if (expected === 0) onAll();
  });
  const deliver = async (messages: readonly string[]): Promise<void> => {
    expected = messages.length * FOLLOWERS;
    const delivered = new Promise<void>((resolve) => {
      onAll = resolve;
    });
    await Promise.all(messages.map((channel, index) => tasks.append(channel, payloadOf(index), index)));
    await delivered;
  };
  const subscriptions = channels.length * FOLLOWERS;

  const heapBefore = heapBytes();
  const startedAt = performance.now();
  const following = await measureUsage(cluster, design.commands);
  await tasks.follow(channels);
  const followMs = performance.now() - startedAt;
  const follow = await following();
  const heap = heapBytes() - heapBefore;
  for (let index = 0; index < channels.length; index += PREPARED_AT_ONCE) {
    await deliver(channels.slice(index, index + PREPARED_AT_ONCE));
  }

  const resting = await measureUsage(cluster, design.commands);
  await sleep(IDLE_MS);
  const idle = await resting();
  const latencies: number[] = [];
  const samples: Usage[] = [];
  for (let sample = 0; sample < LONE_SAMPLES; sample++) {
    const messages = Math.ceil(LONE_MESSAGES * effort);
    const sending = await measureUsage(cluster, design.commands);
    for (let message = 0; message < messages; message++) {
      const channel = channels[Math.floor(Math.random() * channels.length)] ?? "";
      const sentAt = performance.now();
      await deliver([channel]);
      latencies.push(performance.now() - sentAt);
      await sleep(LONE_PAUSE_MS);
    }
    samples.push(perMessage(await sending(), messages));
  }
  latencies.sort((a, b) => a - b);
  const least = (figure: keyof Usage): number => Math.min(...samples.map((sample) => sample[figure]));

  const verifying = await measureUsage(cluster, design.commands);
  await tasks.verify();
  const verify = await verifying();
  const refreshing = await measureUsage(cluster, design.commands);
  await tasks.refresh();
  const refresh = await refreshing();
  const leaving = await measureUsage(cluster, design.commands);
  await tasks.unfollow(channels);
  const unfollow = await leaving();
  tasks.close();
  return {
    p50Ms: latencies[Math.floor(latencies.length * 0.5)] ?? NaN,
    p99Ms: latencies[Math.floor(latencies.length * 0.99)] ?? NaN,
    cpuUs: least("cpuUs"),
    calls: least("calls"),
    bytes: least("bytes"),
    callsUs: least("callsUs"),
    idleUs: idle.cpuUs,
    followMs,
    followUs: follow.cpuUs / subscriptions,
    followBytes: follow.bytes / subscriptions,
    serverBytes: follow.memoryBytes / subscriptions,
    taskBytes: heap / subscriptions,
    verifyUs: verify.cpuUs / subscriptions,
    verifyBytes: verify.bytes / subscriptions,
    refreshUs: refresh.cpuUs / subscriptions,
    unfollowUs: unfollow.cpuUs / subscriptions,
  };
}

/** Publishers that each have several messages under way. A single channel is followed by all tasks. */
async function load(
  design: Design,
  cluster: Cluster,
  channels: readonly string[],
  effort: number,
): Promise<Figures> {
  let deliveries = 0;
  const tasks = await openTasks(design, cluster, ({ payloads }) => {
    deliveries += payloads.length;
  });
  await tasks.follow(channels, channels.length === 1);
  let appended = 0;
  let isOver = false;
  const publish = async (publisher: number): Promise<void> => {
    while (!isOver) {
      const channel = channels[Math.floor(Math.random() * channels.length)] ?? "";
      await tasks.append(channel, payloadOf(appended), publisher);
      appended += 1;
    }
  };
  // Each primary has the same number of messages under way.
  const underWay = PUBLISHERS * WINDOW * cluster.ports.length;
  const publishers = Array.from({ length: underWay }, (_, index) => publish(index % PUBLISHERS));
  await sleep(WARM_UP_MS * effort);
  const samples: (Usage & Figures)[] = [];
  for (let sample = 0; sample < LOAD_SAMPLES; sample++) {
    const [appendedBefore, deliveriesBefore, startedAt] = [appended, deliveries, performance.now()];
    const cpu = process.cpuUsage();
    const measuring = await measureUsage(cluster, design.commands);
    await sleep(LOAD_SAMPLE_MS * effort);
    const used = await measuring();
    const messages = appended - appendedBefore;
    samples.push({
      ...perMessage(used, messages),
      perSecond: (messages * MS) / (performance.now() - startedAt),
      tasksUs: (process.cpuUsage(cpu).user + process.cpuUsage(cpu).system) / messages,
      deliveries: (deliveries - deliveriesBefore) / messages,
    });
  }
  isOver = true;
  await Promise.all(publishers);
  tasks.close();
  const best = samples.reduce((a, b) => (b.busiestUs < a.busiestUs ? b : a));
  return { ...best, perCpuSecond: 1e6 / best.busiestUs };
}

/** Cuts all connections during appends, and discards pushed messages. The log is the truth for what tasks must receive. */
async function loss(
  design: Design,
  cluster: Cluster,
  channels: readonly string[],
  effort: number,
): Promise<Figures> {
  const received = new Map<string, string[]>();
  const offsets = new Map<string, number>();
  let disordered = 0;
  const note = ({ task, channel, first, payloads }: Received): void => {
    const follower = `${task} ${channel}`;
    if (first !== (offsets.get(follower) ?? 0)) disordered += 1;
    offsets.set(follower, first + payloads.length);
    received.set(follower, [...(received.get(follower) ?? []), ...payloads]);
  };
  const tasks = await openTasks(design, cluster, note, DROP_EVERY);
  await tasks.follow(channels);
  let rejected = 0;
  let count = 0;
  let isOver = false;
  const publish = async (publisher: number): Promise<void> => {
    while (!isOver) {
      const channel = channels[Math.floor(Math.random() * channels.length)] ?? "";
      try {
        await tasks.append(channel, payloadOf(count++), publisher);
      } catch {
        rejected += 1;
      }
      await sleep(LOSS_PAUSE_MS);
    }
  };
  const publishers = Array.from({ length: PUBLISHERS }, (_, publisher) => publish(publisher));
  for (let cut = 0; cut < CUTS; cut++) {
    await sleep(CUT_MS * effort);
    await cluster.cut();
  }
  await sleep(CUT_MS * effort);
  isOver = true;
  await Promise.all(publishers);
  await sleep(SETTLE_MS);
  const missingBefore = await compare(design, cluster, channels, received);
  await tasks.verify();
  const { stored, missing, extra } = await compare(design, cluster, channels, received);
  tasks.close();
  return { stored, rejected, missingBefore: missingBefore.missing, missing, extra, disordered };
}

async function compare(
  { keyOf }: Design,
  cluster: Cluster,
  channels: readonly string[],
  received: ReadonlyMap<string, readonly string[]>,
): Promise<{ readonly stored: number; readonly missing: number; readonly extra: number }> {
  let [stored, missing, extra] = [0, 0, 0];
  for (const [index, channel] of channels.entries()) {
    const payloads = await cluster.payloads(keyOf(channel));
    stored += payloads.length;
    for (let task = 0; task < TASKS; task++) {
      if (index % TASKS === task) continue;
      const mine = received.get(`${task} ${channel}`) ?? [];
      const matching = payloads.filter((payload, position) => payload === mine[position]).length;
      missing += payloads.length - matching;
      extra += mine.length - matching;
    }
  }
  return { stored, missing, extra };
}

function payloadOf(number: number): string {
  return `"${String(number).padStart(NUMBER_DIGITS, "0")}-${FILLING}"`;
}
