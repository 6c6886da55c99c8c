/** What a plain connection may do, by the rights of its token: read its channel, publish to it, or both. */
import assert from "node:assert/strict";

import type { Authorizer, Rights } from "../../../app/src/auth/authorize.ts";
import { connect } from "../support/client.ts";
import { DEFAULT_CHANNEL, startServer } from "../support/server.ts";
import { tearDown } from "../support/teardown.ts";
import { accessBy } from "../support/tokens.ts";
import { waitUntil } from "../../support/waitUntil.ts";

const READ: Rights = { canSubscribe: true, canPublish: false };
const PUBLISH: Rights = { canSubscribe: false, canPublish: true };

const grant =
  (rights: Rights): Authorizer =>
  () =>
    Promise.resolve({ granted: true, access: accessBy(() => rights) });

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

  it("receives nothing after its greeting but errors", async () => {
    const { url, hub } = await startServer({}, { authorize: grant(PUBLISH) });
    const client = await connect(url);
    await hub.publish({ channel: DEFAULT_CHANNEL, payload: '"from another client"' });
    await client.flushed();
    client.send("own");
    client.webSocket.send("{");
    assert.match(await client.next(), /invalid_json/);
    assert.equal((await hub.publish({ channel: DEFAULT_CHANNEL, payload: "1" })).offset, 3);
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
