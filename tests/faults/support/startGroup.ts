/** Two kinds of client groups: light clients in a child process, and the project's client in this process. */
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

import { type Channel, connect } from "../../../client/src/index.ts";
import { afterwards } from "../../app/support/teardown.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import { atRate, type ClientGroup, DEFAULT_CHANNEL, type GroupOptions } from "./clientGroup.ts";
import { type Acknowledged, DeliveryRecord, type Message, Reader, type Report } from "./deliveryRecord.ts";
import type { Order } from "./lightClients.ts";

const LIGHT_CLIENTS = fileURLToPath(new URL("lightClients.ts", import.meta.url));

const BACKOFF = { backoffBaseMs: 200, backoffCapMs: 2000 };
const PUBLISH_INTERVAL_MS = 50;
/** Unacknowledged messages at which a client pauses. */
const MAX_PENDING = 100;
const POLL_MS = 20;
/** Ends the waits of a test that has timed out. */
const WAIT_TIMEOUT_MS = 90_000;

export interface LightGroup extends ClientGroup {
  kill(signal: NodeJS.Signals): void;
}

/** Starts light clients in a child process. Resolves when all their subscriptions have begun. */
export async function startLightGroup(options: GroupOptions): Promise<LightGroup> {
  const child = fork(LIGHT_CLIENTS, { execArgv: [] });
  afterwards(() => child.kill("SIGKILL"));
  const ended = once(child, "exit").then(([code]) =>
    assert.fail(`the light clients ended with ${String(code)}`),
  );
  ended.catch(() => undefined);
  const send = async (order: Order): Promise<Report> => {
    child.send(order);
    const [report] = (await Promise.race([once(child, "message"), ended])) as [Report];
    return report;
  };
  const order = async (given: Order): Promise<void> => {
    await send(given);
  };
  await order({ do: "open", ...options });
  return {
    name: options.name,
    channels: options.channels ?? [DEFAULT_CHANNEL],
    kill: (signal) => child.kill(signal),
    publish: (load) => order({ do: "publish", ...load }),
    settle: () => order({ do: "settle" }),
    reach: (ends) => order({ do: "reach", ends }),
    report: () => send({ do: "report" }),
  };
}

/** Starts clients of the project, each with the default channel. Resolves when each is open. */
export async function startGroup(
  options: Omit<GroupOptions, "channels" | "maxSubscriptions">,
): Promise<ClientGroup> {
  const { url, clients: count, publishers, name, timeoutMs } = options;
  const record = new DeliveryRecord();
  record.counts.clients = count;
  const acknowledged: Acknowledged[] = [];
  const closes: Record<number, number> = {};
  let failure: unknown;
  const clients = Array.from({ length: count }, () => {
    const channel = connect<Message>(url, {
      ...BACKOFF,
      connectTimeoutMs: timeoutMs,
      ackTimeoutMs: timeoutMs,
    });
    const reader = new Reader(record.channel(DEFAULT_CHANNEL));
    channel.on("message", ({ message, offset }) => {
      reader.message(message, offset);
    });
    channel.on("gap", (gap) => {
      reader.gap(gap);
    });
    channel.on("state", (state) => {
      if (state.name === "open") {
        if (reader.position?.epoch === state.epoch) record.counts.reconnects += 1;
        reader.subscribed(state);
      }
      if (state.name === "waiting") closes[state.code ?? 0] = (closes[state.code ?? 0] ?? 0) + 1;
    });
    return { channel, reader };
  });
  let publishing: NodeJS.Timeout | undefined;
  let published = 0;
  afterwards(() => {
    clearInterval(publishing);
    for (const { channel } of clients) void channel.close();
  });

  const publish = (channel: Channel<Message>, padding: string): void => {
    const id = `${name}-${(published += 1)}`;
    channel.publish({ id, padding }).then(
      (position) => acknowledged.push({ id, channel: DEFAULT_CHANNEL, ...position }),
      (error: unknown) => (failure = error),
    );
  };
  const all = async (holds: (client: (typeof clients)[number]) => boolean): Promise<void> => {
    const allHold = (): boolean => {
      assert.ifError(failure);
      return clients.every(holds);
    };
    await waitUntil(allHold, { forMs: WAIT_TIMEOUT_MS, everyMs: POLL_MS });
  };
  await all(({ reader }) => reader.position !== undefined);

  return {
    name,
    channels: [DEFAULT_CHANNEL],
    publish({ messagesPerSecond, paddingBytes }) {
      const padding = "x".repeat(paddingBytes);
      publishing = atRate(messagesPerSecond, PUBLISH_INTERVAL_MS, (count) => {
        const channel = clients[count % publishers]?.channel;
        if (channel !== undefined && channel.pending < MAX_PENDING) publish(channel, padding);
      });
      return Promise.resolve();
    },
    async settle() {
      clearInterval(publishing);
      await all(({ channel }) => channel.pending === 0);
    },
    async reach({ [DEFAULT_CHANNEL]: end }) {
      if (end !== undefined) await all(({ reader }) => reader.isAt(end));
    },
    report: () => Promise.resolve({ counts: record.counts, logs: record.logs, acknowledged, closes }),
  };
}
