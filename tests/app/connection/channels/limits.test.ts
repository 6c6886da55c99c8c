import assert from "node:assert/strict";

import type { Access, Authorizer } from "../../../../app/src/auth/authorize.ts";
import { FULL_ACCESS } from "../../../../app/src/auth/authorize.ts";
import { ClientRates } from "../../../../app/src/connection/clientRates.ts";
import { defaultSettings } from "../../../../app/src/settings/settings.ts";
import { connectChannels } from "../../support/channelsClient.ts";
import { Client, connect } from "../../support/client.ts";
import { startManualServer } from "../../support/manualServer.ts";
import { startServer, UNLIMITED } from "../../support/server.ts";
import { tearDown } from "../../support/teardown.ts";
import { accessBy } from "../../support/tokens.ts";

/** The header is the subject of the token. */
const bySubject: Authorizer = ({ authorization }) =>
  Promise.resolve({
    granted: true,
    access: FULL_ACCESS,
    ...(authorization !== undefined && { subject: authorization }),
  });
const subject = (name: string) => ({ headers: { authorization: name } });

const grant =
  (access: Access): Authorizer =>
  () =>
    Promise.resolve({ granted: true, access });

describe("limits of channels.v1", () => {
  afterEach(tearDown);

  it("include pending subscriptions of a connection", async () => {
    const { log, client } = await startManualServer({ subscriptionsPerConnection: 3 });
    for (const name of ["a", "b", "c", "d"]) client.send({ subscribe: name });
    assert.equal(await client.expectError("d"), "too_many_subscriptions");
    for (const name of ["a", "b", "c"]) log.reader(name).started({ epoch: "1", next: 1 });
    for (const name of ["a", "b", "c"]) assert.equal((await client.nextObject())["subscribed"], name);
  });

  it("allow so many subscriptions per connection", async () => {
    const { url, metrics } = await startServer({ subscriptionsPerConnection: 3 });
    const client = await connectChannels(url);
    for (const name of ["a", "b", "c"]) await client.subscribe(name);
    client.send({ subscribe: "d" });
    assert.equal(await client.expectError("d"), "too_many_subscriptions");
    assert.deepEqual(metrics.snapshot().tally.subscribesRefused, { too_many_subscriptions: 1 });
    await client.publish("d", 1, "1");
    const other = await connectChannels(url);
    await other.subscribe("d");
  });

  it("allow another subscription after one has ended", async () => {
    const { url } = await startServer({ subscriptionsPerConnection: 3, channelsPerUser: 1 });
    const client = await connectChannels(url);
    await client.subscribe("a");
    client.send({ subscribe: "b" });
    assert.equal(await client.expectError("b"), "too_many_channels");
    client.send({ unsubscribe: "a" });
    assert.deepEqual(await client.nextObject(), { unsubscribed: "a" });
  });

  it("allow so many subscribes and unsubscribes in 30 seconds, but at least 100", () => {
    for (const [subscriptionsPerConnection, allowed] of [
      [4, 100],
      [256, 256],
    ] as const) {
      const rates = new ClientRates({ ...defaultSettings(), subscriptionsPerConnection }, 0);
      for (let n = 0; n < allowed; n++) assert.ok(rates.takeSubscription(0));
      assert.ok(!rates.takeSubscription(0));
      const eachMs = 30_000 / allowed;
      assert.ok(rates.takeSubscription(eachMs + 1));
      assert.ok(!rates.takeSubscription(eachMs + 1));
    }
  });

  it("reject more subscribes and unsubscribes without closing, and count those as messages", async () => {
    const settings = { subscriptionsPerConnection: 4, messagesPerSecond: 1, messageBurst: 50 };
    const { url } = await startServer(settings);
    const client = await connectChannels(url);
    const COUNT = 150;
    for (let n = 0; n < COUNT; n++) client.send({ unsubscribe: "a" });
    let rejected = 0;
    for (let n = 0; n < COUNT; n++) if ("error" in (await client.nextObject())) rejected += 1;
    // A slow machine allows some more of them.
    assert.ok(rejected > 0 && rejected <= COUNT - 100, `${rejected}`);
    for (let n = 0; n < COUNT; n++) client.send({ unsubscribe: "a" });
    const { code, reason } = await client.closed;
    assert.deepEqual([code, reason], [1008, "more than 1 messages per second, or 50 at once"]);
  });

  it("allow a client to subscribe to as many channels at once as it may have", async () => {
    const { url } = await startServer({ messagesPerSecond: 1, messageBurst: 1 });
    const client = await connectChannels(url);
    for (let n = 0; n < 256; n++) client.send({ subscribe: `room.${n}` });
    for (let n = 0; n < 256; n++) assert.equal((await client.nextObject())["subscribed"], `room.${n}`);
  });

  it("do not count subscribes as messages, even if a client has sent as many messages as it may", async () => {
    const { url } = await startServer({ messagesPerSecond: 1, messageBurst: 2 });
    const client = await connectChannels(url);
    for (const id of ["1", "2"]) await client.publish("a", 1, id);
    for (const name of ["a", "b", "c"]) await client.subscribe(name);
    client.send({ publish: 1, channel: "a" });
    assert.equal((await client.closed).code, 1008);
  });

  it("count the bytes of subscribes", async () => {
    const { url } = await startServer({ ...UNLIMITED, maxPayloadBytes: 1000, bytesPerSecond: 1000 });
    const client = await connectChannels(url);
    for (let n = 0; n < 10; n++) client.send({ subscribe: "a", unknown: "x".repeat(900) });
    assert.deepEqual(await client.closed, { code: 1008, reason: "more than 1000 bytes per second" });
  });

  it("apply to the channels of all connections of a user", async () => {
    const settings = { channelsPerUser: 2 };
    const { url, metrics } = await startServer(settings, { authorize: bySubject });
    const first = await connectChannels(url, subject("alice"));
    const second = await connectChannels(url, subject("alice"));
    const bob = await connectChannels(url, subject("bob"));
    await first.subscribe("a");
    await second.subscribe("a");
    await second.subscribe("b");
    first.send({ subscribe: "c" });
    assert.equal(await first.expectError("c"), "too_many_channels");
    await bob.subscribe("c");
    const { usersLimited, subscribesRefused } = metrics.snapshot().tally;
    assert.deepEqual(
      { usersLimited, subscribesRefused },
      {
        usersLimited: { channels: 1 },
        subscribesRefused: { too_many_channels: 1 },
      },
    );
    second.send({ unsubscribe: "b" });
    assert.deepEqual(await second.nextObject(), { unsubscribed: "b" });
    await first.subscribe("c");
  });

  it("apply to the subscriptions of a task", async () => {
    const { url } = await startServer({ maxSubscriptions: 3 });
    const [first, second] = [await connectChannels(url), await connectChannels(url)];
    await first.subscribe("a");
    await second.subscribe("a");
    await second.subscribe("b");
    first.send({ subscribe: "b" });
    assert.equal(await first.expectError("b"), "too_many_channels");
    second.send({ unsubscribe: "a" });
    assert.deepEqual(await second.nextObject(), { unsubscribed: "a" });
    await first.subscribe("b");
  });

  it("apply to the channels of a task", async () => {
    const { url } = await startServer({ maxChannels: 2 });
    const client = await connectChannels(url);
    await client.subscribe("a");
    await client.subscribe("b");
    client.send({ subscribe: "c" });
    assert.equal(await client.expectError("c"), "too_many_channels");
    await client.publish("c", 1, "1");
  });
});

describe("a token of a channels.v1 client", () => {
  afterEach(tearDown);

  it("grants each right in each channel", async () => {
    const access = accessBy((channel) => ({
      canSubscribe: channel === "read",
      canPublish: channel === "write",
    }));
    const { url, metrics } = await startServer({}, { authorize: grant(access) });
    const client = await connectChannels(url);
    await client.subscribe("read");
    await client.publish("write", 1, "1");
    for (const name of ["write", "/"]) {
      client.send({ subscribe: name });
      assert.equal(await client.expectError(name), "forbidden");
    }
    client.send({ publish: 1, channel: "read", id: "2" });
    assert.deepEqual(await client.nextObject(), {
      error: {
        code: "forbidden",
        message: "The token does not allow publishing to this channel.",
        channel: "read",
        id: "2",
      },
    });
    const { publishesRefused, subscribesRefused } = metrics.snapshot().tally;
    assert.deepEqual([publishesRefused, subscribesRefused], [{ forbidden: 1 }, { forbidden: 2 }]);
  });

  it("may grant nothing", async () => {
    const access = accessBy(() => ({ canSubscribe: false, canPublish: false }));
    const { url } = await startServer({}, { authorize: grant(access) });
    const client = await connectChannels(url);
    client.send({ subscribe: "a" });
    assert.equal(await client.expectError("a"), "forbidden");
  });

  it("is asked for the default channel by the name of the server", async () => {
    const asked: string[] = [];
    const access = accessBy((channel) => {
      asked.push(channel);
      return { canSubscribe: true, canPublish: true };
    });
    const { url } = await startServer({}, { authorize: grant(access) });
    await (await connectChannels(url)).subscribe("/");
    assert.deepEqual(asked, [""]);
  });

  it("is in the greeting, and in the messages that its client publishes", async () => {
    const authorize: Authorizer = async (credentials) => {
      const granted = await bySubject(credentials);
      return credentials.authorization === "late" ? { ...granted, expiresAt: Date.now() - 1 } : granted;
    };
    const { url } = await startServer({}, { authorize });
    const alice = new Client(url, { protocol: "channels.v1", ...subject('al"ice') });
    assert.deepEqual(await alice.nextValue(), { connection: "ok", heartbeat: 30, user: 'al"ice' });
    const late = new Client(url, { protocol: "channels.v1", ...subject("late") });
    assert.deepEqual(await late.nextValue(), { connection: "ok", heartbeat: 30, user: "late", expiresIn: 0 });
    const [nameless, plain] = [await connectChannels(url), await connect(url, subject("bob"))];
    await nameless.subscribe("/");
    alice.send({ publish: 1, channel: "/" });
    assert.deepEqual(await nameless.nextObject(), { channel: "/", offset: 1, message: 1, from: 'al"ice' });
    plain.send(2);
    assert.deepEqual(await nameless.nextObject(), { channel: "/", offset: 2, message: 2, from: "bob" });
    nameless.send({ publish: 3, channel: "/" });
    assert.deepEqual(await nameless.nextObject(), { channel: "/", offset: 3, message: 3 });
  });
});
