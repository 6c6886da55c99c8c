/** A connection whose channels are all behind the frames in memory. */
import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";

import type { MessageLog } from "../../../../app/src/log/log.ts";
import { connectChannels, type ChannelsClient } from "../../support/channelsClient.ts";
import { memoryLog } from "../../support/logs.ts";
import { startServer, UNLIMITED } from "../../support/server.ts";
import { tearDown } from "../../support/teardown.ts";
import { waitUntil } from "../../../support/waitUntil.ts";

const CHANNELS = 30;
const MESSAGES = 3;
/** Pages that a connection waits for at a time. */
const PAGES = 4;

/** A log whose reads wait for the test, with messages that no task has in memory. */
async function heldLog(): Promise<{
  readonly log: MessageLog;
  readonly epochs: readonly string[];
  readonly held: (() => void)[];
}> {
  const memory = memoryLog();
  const held: (() => void)[] = [];
  const epochs: string[] = [];
  for (let n = 0; n < CHANNELS; n++) {
    for (let offset = 1; offset <= MESSAGES; offset++) {
      const { epoch } = await memory.append({ channel: `c${n}`, record: String(offset) });
      epochs[n] = epoch;
    }
  }
  const log: MessageLog = {
    ...memory,
    read: async (...args) => {
      await new Promise<void>((resolve) => held.push(resolve));
      return memory.read(...args);
    },
  };
  return { log, epochs, held };
}

/** Receives messages, which must be in the order of each channel, and lets the log answer. Returns the last offset of each channel. */
async function receive(
  client: ChannelsClient,
  messages: number,
  held: (() => void)[],
): Promise<ReadonlyMap<string, number>> {
  const received = new Map<string, number>();
  for (let left = messages; left > 0; left--) {
    const next = client.nextObject();
    for (let waiting = true; waiting;) {
      for (const answer of held.splice(0)) answer();
      waiting = await Promise.race([next.then(() => false), nextTurn(true)]);
    }
    const { channel, offset } = await next;
    assert.equal(offset, (received.get(String(channel)) ?? 0) + 1);
    received.set(String(channel), offset);
  }
  return received;
}

describe("a connection with many channels behind the frames in memory", () => {
  afterEach(tearDown);

  it("waits for few pages at a time, and receives everything in order", async () => {
    const { log, epochs, held } = await heldLog();
    const { url } = await startServer(UNLIMITED, { log });
    const client = await connectChannels(url);
    for (const [n, epoch] of epochs.entries()) await client.subscribe(`c${n}`, { epoch, offset: 0 });
    await waitUntil(() => held.length > 0);
    for (let turn = 0; turn < 10; turn++) await nextTurn();
    assert.equal(held.length, PAGES);

    // A channel whose messages are in memory does not wait for the others.
    await client.subscribe("new");
    client.send({ publish: "now", channel: "new" });
    await client.expect("new", 1, "now");

    // A subscription that ends while it waits makes room for another one.
    client.send({ unsubscribe: "c0" });
    assert.deepEqual(await client.nextObject(), { unsubscribed: "c0" });
    await waitUntil(() => held.length === PAGES + 1);

    const received = await receive(client, (CHANNELS - 1) * MESSAGES, held);
    assert.equal(received.size, CHANNELS - 1);
    assert.deepEqual(new Set(received.values()), new Set([MESSAGES]));
    assert.ok(!received.has("c0"));
  });

  it("receives everything if the pages that it waits for last are read for another connection", async () => {
    const { log, epochs, held } = await heldLog();
    const { url } = await startServer(UNLIMITED, { log });
    const [client, other] = [await connectChannels(url), await connectChannels(url)];
    const start = (n: number): { epoch: string; offset: number } => ({ epoch: epochs[n] ?? "", offset: 0 });
    for (let n = 0; n < PAGES; n++) await client.subscribe(`c${n}`, start(n));
    await waitUntil(() => held.length === PAGES);
    for (let n = PAGES; n < 2 * PAGES; n++) await other.subscribe(`c${n}`, start(n));
    await waitUntil(() => held.length === 2 * PAGES);
    for (let n = PAGES; n < CHANNELS; n++) await client.subscribe(`c${n}`, start(n));
    for (let turn = 0; turn < 10; turn++) await nextTurn();
    assert.equal(held.length, 2 * PAGES);

    // The other connection's pages are in memory before those of this one.
    for (const answer of held.splice(PAGES)) answer();
    assert.equal((await receive(other, PAGES * MESSAGES, [])).size, PAGES);
    assert.equal((await receive(client, CHANNELS * MESSAGES, held)).size, CHANNELS);
  });

  it("reads the next one after an unsubscribe whose answer waits for a publish", async () => {
    const { log, epochs, held } = await heldLog();
    const stored = Promise.withResolvers<undefined>();
    const append: MessageLog["append"] = async (message) => {
      await stored.promise;
      return log.append(message);
    };
    // A heartbeat would be a write.
    const { url } = await startServer({ ...UNLIMITED, heartbeatSeconds: 3600 }, { log: { ...log, append } });
    const client = await connectChannels(url);
    for (const [n, epoch] of epochs.slice(0, PAGES + 1).entries())
      await client.subscribe(`c${n}`, { epoch, offset: 0 });
    await waitUntil(() => held.length === PAGES);
    client.send({ publish: 1, channel: "c0", id: "1" });
    client.send({ unsubscribe: "c0" });
    await waitUntil(() => held.length === PAGES + 1);
    stored.resolve(undefined);
    assert.equal((await client.nextObject())["ack"], "1");
    assert.deepEqual(await client.nextObject(), { unsubscribed: "c0" });
  });

  it("receives everything of the channels that the log can read while it cannot read others", async () => {
    const { log, epochs, held } = await heldLog();
    let isAway = true;
    const read: MessageLog["read"] = async (channel, ...args) => {
      if (isAway && Number(channel.slice(1)) < 2 * PAGES) throw new Error("away");
      return log.read(channel, ...args);
    };
    const { url } = await startServer(UNLIMITED, { log: { ...log, read } });
    const client = await connectChannels(url);
    for (const [n, epoch] of epochs.entries()) await client.subscribe(`c${n}`, { epoch, offset: 0 });
    const received = await receive(client, (CHANNELS - 2 * PAGES) * MESSAGES, held);
    assert.ok(!received.has("c0") && received.size === CHANNELS - 2 * PAGES);
    isAway = false;
    assert.equal((await receive(client, 2 * PAGES * MESSAGES, held)).size, 2 * PAGES);
  });
});
