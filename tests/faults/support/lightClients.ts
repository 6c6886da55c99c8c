/** A process of many light clients. It executes the orders of its parent and answers each with a report. */
import { setTimeout as delay } from "node:timers/promises";

import {
  atRate,
  channelsOf,
  DEFAULT_CHANNEL,
  type Ends,
  type GroupOptions,
  type Load,
  poll,
} from "./clientGroup.ts";
import type { Report } from "./deliveryRecord.ts";
import { LightClient, LightClients } from "./lightClient.ts";

export type Order =
  | ({ readonly do: "open" } & GroupOptions)
  | ({ readonly do: "publish" } & Load)
  | { readonly do: "settle"; readonly timeoutMs: number }
  | { readonly do: "reach"; readonly ends: Ends; readonly timeoutMs: number }
  | { readonly do: "report" };

export interface Answer {
  /** What the order has waited for in vain. */
  readonly missing: readonly string[];
  readonly report: Report;
}

const SILENCE_CHECK_MS = 250;
/** Long enough that a group of publishes becomes one write for each reader. */
const PUBLISH_INTERVAL_MS = 100;
/** Unacknowledged messages at which a publisher pauses. */
const MAX_PENDING = 100;
const POLL_MS = 20;
/** Larger than a client has subscriptions, and without a common divisor with their numbers. */
const RENEWAL_STEP = 7919;

const shared = new LightClients();
const clients: LightClient[] = [];
let publishers: readonly LightClient[] = [];
let channels: readonly string[] = [];
let name = "";
const timers: NodeJS.Timeout[] = [];

/** Returns what is missing. */
async function execute(order: Order): Promise<readonly string[]> {
  switch (order.do) {
    case "open":
      open(order);
      while (!clients.every(({ hasBegun }) => hasBegun)) await delay(POLL_MS);
      return [];
    case "publish":
      publish(order);
      return [];
    case "settle":
      for (const timer of timers.splice(0)) clearInterval(timer);
      return poll(() => clients.flatMap((client) => client.unacknowledged), order.timeoutMs);
    case "reach":
      return poll(() => clients.flatMap((client) => client.missing(order.ends)), order.timeoutMs);
    case "report":
      return [];
  }
}

function open(options: GroupOptions): void {
  const { url, timeoutMs: handshakeTimeoutMs, maxSubscriptions = 1 } = options;
  ({ name, channels = [DEFAULT_CHANNEL] } = options);
  for (let n = 0; n < options.clients; n++) {
    const own = channelsOf(n, channels, maxSubscriptions);
    clients.push(new LightClient({ url, channels: own, handshakeTimeoutMs, shared }));
  }
  publishers = clients.slice(0, options.publishers);
}

function publish({
  messagesPerSecond,
  othersPerSecond = 0,
  renewalsPerSecond = 0,
  paddingBytes,
}: Load): void {
  const padding = "x".repeat(paddingBytes);
  const [first = DEFAULT_CHANNEL, ...others] = channels;
  const send = (count: number, channel: string, prefix: string): void => {
    const publisher = publishers[count % publishers.length];
    if (publisher !== undefined && publisher.pending < MAX_PENDING)
      publisher.publish(channel, `${prefix}-${count + 1}`, padding);
  };
  timers.push(
    atRate(messagesPerSecond, PUBLISH_INTERVAL_MS, (count) => {
      send(count, first, name);
    }),
    atRate(othersPerSecond, PUBLISH_INTERVAL_MS, (count) => {
      send(count, others[count % others.length] ?? first, `${name}-others`);
    }),
    atRate(renewalsPerSecond, PUBLISH_INTERVAL_MS, (count) => {
      clients[(count * RENEWAL_STEP) % clients.length]?.renew(count);
    }),
  );
}

setInterval(() => {
  const now = performance.now();
  for (const client of clients) client.checkSilence(now);
}, SILENCE_CHECK_MS);

// Without a parent, the process ends.
process.on("disconnect", () => {
  process.exit();
});
process.on("message", (order: Order) => {
  void execute(order).then((missing) => {
    const { record, acknowledged, closes } = shared;
    const { counts, logs } = record;
    const answer: Answer = { missing, report: { counts, logs, acknowledged, closes } };
    process.send?.(answer);
  });
});
