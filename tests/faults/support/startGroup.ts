/** Two kinds of client groups: light clients in a child process, and the project's client in this process. */
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

import { connect } from "../../../client/src/index.ts";
import { afterwards } from "../../app/support/teardown.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import {
  atRate,
  channelsOf,
  type ClientGroup,
  DEFAULT_CHANNEL,
  type GroupOptions,
  poll,
} from "./clientGroup.ts";
import { type Acknowledged, DeliveryRecord, type Message, Reader } from "./deliveryRecord.ts";
import type { Answer, Order } from "./lightClients.ts";

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
  const order = async (given: Order): Promise<Answer> => {
    child.send(given);
    const [answer] = (await Promise.race([once(child, "message"), ended])) as [Answer];
    return answer;
  };
  await order({ do: "open", ...options });
  return {
    name: options.name,
    channels: options.channels ?? [DEFAULT_CHANNEL],
    kill: (signal) => child.kill(signal),
    async publish(load) {
      await order({ do: "publish", ...load });
    },
    settle: async (timeoutMs) => (await order({ do: "settle", timeoutMs })).missing,
    reach: async (ends, timeoutMs) => (await order({ do: "reach", ends, timeoutMs })).missing,
    report: async () => (await order({ do: "report" })).report,
  };
}

/** Starts clients of the project in this process. Resolves when all their subscriptions have begun. */
export async function startGroup(options: GroupOptions): Promise<ClientGroup> {
  const { url, publishers, name, timeoutMs, channels = [DEFAULT_CHANNEL], maxSubscriptions = 1 } = options;
  const record = new DeliveryRecord();
  record.counts.clients = options.clients;
  const acknowledged: Acknowledged[] = [];
  const closes: Record<number, number> = {};
  let failure: unknown;
  const clients = Array.from({ length: options.clients }, (_, n) => {
    const connection = connect(url, {
      ...BACKOFF,
      connectTimeoutMs: timeoutMs,
      answerTimeoutMs: timeoutMs,
    });
    let greetings = 0;
    connection.on("open", () => {
      if (++greetings > 1) record.counts.reconnects += 1;
    });
    connection.on("reconnecting", ({ code = 0 }) => {
      closes[code] = (closes[code] ?? 0) + 1;
    });
    const readers = channelsOf(n, channels, maxSubscriptions).map((channel) => {
      const reader = new Reader(record.channel(channel));
      connection.channel<Message>(channel, {
        onMessage: ({ value, offset }) => {
          reader.message(value, offset);
        },
        onGap: (gap) => {
          reader.gap(gap);
        },
        onSubscribed: (position) => {
          reader.subscribed(position);
        },
      });
      return { channel, reader };
    });
    return { connection, readers };
  });
  const timers: NodeJS.Timeout[] = [];
  const stop = (): void => {
    for (const timer of timers.splice(0)) clearInterval(timer);
  };
  afterwards(() => {
    stop();
    for (const { connection } of clients) void connection.close();
  });

  const publish = (count: number, channel: string, padding: string): void => {
    const connection = clients[count % publishers]?.connection;
    if (connection === undefined || connection.pending >= MAX_PENDING) return;
    const id = `${name}-${channel}-${count}`;
    connection.publish(channel, { id, padding }).then(
      ({ epoch, offset }) => acknowledged.push({ id, channel, epoch, offset }),
      (error: unknown) => (failure = error),
    );
  };
  const readers = clients.flatMap((client) => client.readers);
  await waitUntil(() => readers.every(({ reader }) => reader.position !== undefined), {
    forMs: WAIT_TIMEOUT_MS,
    everyMs: POLL_MS,
  });

  return {
    name,
    channels,
    publish({ messagesPerSecond, othersPerSecond = 0, paddingBytes }) {
      const padding = "x".repeat(paddingBytes);
      const [first = DEFAULT_CHANNEL, ...others] = channels;
      timers.push(
        atRate(messagesPerSecond, PUBLISH_INTERVAL_MS, (count) => {
          publish(count, first, padding);
        }),
        atRate(othersPerSecond, PUBLISH_INTERVAL_MS, (count) => {
          publish(count, others[count % others.length] ?? first, padding);
        }),
      );
      return Promise.resolve();
    },
    settle(given) {
      stop();
      return poll(() => {
        assert.ifError(failure);
        return clients.flatMap(({ connection: { pending } }) =>
          pending === 0 ? [] : [`${pending} of one connection`],
        );
      }, given);
    },
    reach: (ends, given) =>
      poll(
        () =>
          readers.flatMap(({ channel, reader }) => {
            const end = ends[channel];
            if (end === undefined || reader.isAt(end)) return [];
            return `${channel}: at ${JSON.stringify(reader.position)}, not at ${JSON.stringify(end)}`;
          }),
        given,
      ),
    report: () => Promise.resolve({ counts: record.counts, logs: record.logs, acknowledged, closes }),
  };
}
