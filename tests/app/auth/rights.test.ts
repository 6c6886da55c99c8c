/** What a connection may do, by the rights of its token: read its channel, publish to it, or both. */
import assert from "node:assert/strict";

import type { Authorizer, Rights } from "../../../app/src/auth/authorize.ts";
import type { Client } from "../support/client.ts";
import { connect, connectResuming, isGreeting, resuming } from "../support/client.ts";
import { DEFAULT_CHANNEL, startServer } from "../support/server.ts";
import { tearDown } from "../support/teardown.ts";
import { waitUntil } from "../../support/waitUntil.ts";

const READ: Rights = { canSubscribe: true, canPublish: false };
const PUBLISH: Rights = { canSubscribe: false, canPublish: true };

const grant =
  (rights: Rights): Authorizer =>
  () =>
    Promise.resolve({ granted: true, access: { rightsIn: () => rights } });

describe("a connection that may only read", () => {
  afterEach(tearDown);

  it("receives an error for a publish, and stays open", async () => {
    const { url, hub, metrics } = await startServer({}, { authorize: grant(READ) });
    const client = await connect(url);
    client.send({ text: "Hello" });
    assert.deepEqual(await client.nextValue(), {
      error: { code: "forbidden", message: "The token does not allow publishing." },
    });
    await hub.publish({ channel: DEFAULT_CHANNEL, payload: '"from another client"' });
    assert.equal(await client.nextMessage(), "from another client");
    assert.deepEqual(metrics.snapshot().tally.publishesRefused, { forbidden: 1 });
  });
});

describe("a connection that may only publish", () => {
  afterEach(tearDown);

  it("receives its greeting and its acknowledgements, and no message", async () => {
    const { url, hub } = await startServer({}, { authorize: grant(PUBLISH) });
    const { client } = await connectResuming(url);
    await hub.publish({ channel: DEFAULT_CHANNEL, payload: '"from another client"' });
    client.send({ publish: "own", id: "a" });
    // Messages come before what is sent later: had there been one, it would be the first.
    for (const [id, offset] of [
      ["a", 2],
      ["b", 3],
    ] as const) {
      if (id === "b") client.send({ publish: "own", id });
      const { ack, offset: stored } = (await client.nextValue()) as { ack: string; offset: number };
      assert.deepEqual([ack, stored], [id, offset]);
    }
  });

  it("receives nothing after its greeting in the plain dialect", async () => {
    const { url, hub } = await startServer({}, { authorize: grant(PUBLISH) });
    const client = await connect(url);
    await hub.publish({ channel: DEFAULT_CHANNEL, payload: '"from another client"' });
    await client.flushed();
    client.webSocket.send("{");
    assert.match(await client.next(), /invalid_json/);
  });

  it("resumes without a message and without a gap", async () => {
    const { url, hub } = await startServer({}, { authorize: grant(PUBLISH) });
    const { epoch } = await hub.publish({ channel: DEFAULT_CHANNEL, payload: "1" });
    await hub.publish({ channel: DEFAULT_CHANNEL, payload: "2" });
    for (const point of [
      { epoch, offset: 0 },
      { epoch: "another", offset: 7 },
    ]) {
      const client: Client = resuming(url, point);
      const greeting = await client.nextValue();
      assert.ok(isGreeting(greeting));
      assert.equal(greeting.offset, 2);
      client.send("no publish");
      assert.match(await client.next(), /invalid_message/);
    }
  });

  it("does not keep its channel followed", async () => {
    const { url, hub } = await startServer({}, { authorize: grant(PUBLISH) });
    const client = await connect(url);
    await waitUntil(() => hub.channels === 0);
    assert.equal(client.webSocket.readyState, client.webSocket.OPEN);
  });

  it("is asked to leave when the server drains", async () => {
    const server = await startServer({}, { authorize: grant(PUBLISH) });
    const client = await connect(server.url);
    void server.drain();
    assert.equal((await client.closed).code, 1001);
  });
});
