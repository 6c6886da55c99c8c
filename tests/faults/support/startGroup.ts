/** Two kinds of client groups: light clients in a child process, and the project's client in this process. */
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

import { connect, type Connection } from "../../../client/src/index.ts";
import { afterwards } from "../../app/support/teardown.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import { atRate, type ClientGroup, type GroupOptions } from "./clientGroup.ts";
import { type Acknowledged, DeliveryRecord, type Message, Reader, type Report } from "./deliveryRecord.ts";
import type { Order } from "./lightClients.ts";

const LIGHT_CLIENTS = fileURLToPath(new URL("lightClients.ts", import.meta.url));

/** The channel of the light clients, too. */
const CHANNEL = "/";

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

/** Starts light clients in a child process. Resolves when each has received its greeting. */
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
    kill: (signal) => child.kill(signal),
    publish: (load) => order({ do: "publish", ...load }),
    settle: () => order({ do: "settle" }),
    reach: (end) => order({ do: "reach", ...end }),
    report: () => send({ do: "report" }),
  };
}

/** Starts channels of the project's client. Resolves when each is open. */
export async function startGroup(options: GroupOptions): Promise<ClientGroup> {
  const { url, readers, publishers, name, timeoutMs } = options;
  const record = new DeliveryRecord();
  const acknowledged: Acknowledged[] = [];
  const closes: Record<number, number> = {};
  let failure: unknown;
  const clients = Array.from({ length: readers }, () => {
    const connection = connect(url, {
      ...BACKOFF,
      connectTimeoutMs: timeoutMs,
      answerTimeoutMs: timeoutMs,
    });
    const reader = new Reader(record);
    connection.channel<Message>(CHANNEL, {
      onMessage: ({ value, offset }) => {
        reader.message(value, offset);
      },
      onGap: (gap) => {
        reader.gap(gap);
      },
      onSubscribed: (position) => {
        reader.greeted(position);
      },
    });
    connection.on("reconnecting", ({ code = 0 }) => {
      closes[code] = (closes[code] ?? 0) + 1;
    });
    return { connection, reader };
  });
  let publishing: NodeJS.Timeout | undefined;
  let published = 0;
  afterwards(() => {
    clearInterval(publishing);
    for (const { connection } of clients) void connection.close();
  });

  const publish = (connection: Connection, padding: string): void => {
    const id = `${name}-${(published += 1)}`;
    connection.publish(CHANNEL, { id, padding }).then(
      (position) => acknowledged.push({ id, ...position }),
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
    publish({ messagesPerSecond, paddingBytes }) {
      const padding = "x".repeat(paddingBytes);
      publishing = atRate(messagesPerSecond, PUBLISH_INTERVAL_MS, (count) => {
        const connection = clients[count % publishers]?.connection;
        if (connection !== undefined && connection.pending < MAX_PENDING) publish(connection, padding);
      });
      return Promise.resolve();
    },
    async settle() {
      clearInterval(publishing);
      await all(({ connection }) => connection.pending === 0);
    },
    reach: (end) => all(({ reader }) => reader.isAt(end)),
    report: () => Promise.resolve({ counts: record.counts, log: record.log, acknowledged, closes }),
  };
}
