/** The two kinds of crowds: light clients in a process of their own, and the project's client in this one. */
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

import { type Channel, connect } from "../../../client/src/index.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import type { Crowd, CrowdOptions } from "./crowd.ts";
import { type Acknowledged, Ledger, type Message, Reader } from "./ledger.ts";
import { atRate } from "./pace.ts";
import type { Answer, Order } from "./swarm.ts";

const SWARM = fileURLToPath(new URL("swarm.ts", import.meta.url));

/** The client's times, as short as a test is. */
const CLIENT_OPTIONS = { backoffBaseMs: 200, backoffCapMs: 2000, connectTimeoutMs: 4000, ackTimeoutMs: 2000 };
/** Publishes of a client come at random times; this is how often it is looked whose turn it is. */
const PUBLISH_INTERVAL_MS = 50;
/** A client publishes nothing while it has that many without an answer. */
const MAX_PENDING = 100;
const POLL_MS = 20;
/** The tests themselves give up sooner; this one ends what they left. */
const WAIT_TIMEOUT_MS = 60_000;

export interface Swarm extends Crowd {
  kill(signal: NodeJS.Signals): void;
}

/** Resolves when every reader has been greeted. */
export async function startSwarm(
  options: CrowdOptions,
  afterwards: (end: () => unknown) => void,
): Promise<Swarm> {
  const child = fork(SWARM, { execArgv: [] });
  afterwards(() => child.kill("SIGKILL"));
  const ask = async (order: Order): Promise<Answer> => {
    child.send(order);
    const [answer] = (await Promise.race([
      once(child, "message"),
      once(child, "exit").then(([code]) => assert.fail(`the swarm ended with ${String(code)}`)),
    ])) as [Answer];
    return answer;
  };
  const order = async (given: Order): Promise<void> => {
    await ask(given);
  };
  await order({ do: "open", ...options });
  return {
    kill: (signal) => child.kill(signal),
    publish: (load) => order({ do: "publish", ...load }),
    settle: () => order({ do: "settle" }),
    reach: (end) => order({ do: "reach", ...end }),
    report: () => ask({ do: "report" }),
  };
}

/** Resolves when every client is open. */
export async function startClients(
  { url, readers, publishers, name }: CrowdOptions,
  afterwards: (end: () => unknown) => void,
): Promise<Crowd> {
  const ledger = new Ledger();
  const acknowledged: Acknowledged[] = [];
  const closes: Record<number, number> = {};
  let failure: unknown;
  const clients = Array.from({ length: readers }, () => {
    const channel = connect<Message>(url, CLIENT_OPTIONS);
    const reader = new Reader(ledger);
    channel.on("message", ({ message, offset }) => {
      reader.message(message, offset);
    });
    channel.on("gap", (gap) => {
      reader.gap(gap);
    });
    channel.on("state", (state) => {
      if (state.name === "open") reader.greeted(state);
      else if (state.name === "waiting") closes[state.code ?? 0] = (closes[state.code ?? 0] ?? 0) + 1;
    });
    return { channel, reader };
  });
  let publishing: NodeJS.Timeout | undefined;
  let published = 0;
  afterwards(() => {
    clearInterval(publishing);
    // What they still want to say, nobody waits for.
    for (const { channel } of clients) void channel.close();
  });

  const publish = (channel: Channel<Message>, padding: string): void => {
    const id = `${name}-${(published += 1)}`;
    channel.publish({ id, padding }).then(
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
    reach: (end) => all(({ reader }) => reader.isAt(end)),
    report: () => Promise.resolve({ findings: ledger.findings, log: ledger.log, acknowledged, closes }),
  };
}
