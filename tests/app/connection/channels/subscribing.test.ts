import assert from "node:assert/strict";

import { connectChannels } from "../../support/channelsClient.ts";
import { connect } from "../../support/client.ts";
import { ManualLog } from "../../support/logs.ts";
import {
  CHANNELS_HEADERS,
  clientFrame,
  connectRaw,
  connectRawSubscriber,
  exchange,
  textsOf,
  upgradeRequest,
} from "../../support/rawClient.ts";
import { DEFAULT_CHANNEL, startServer } from "../../support/server.ts";
import { tearDown } from "../../support/teardown.ts";
import { waitUntil } from "../../../support/waitUntil.ts";

describe("a client of channels.v1", () => {
  afterEach(tearDown);

  it("connects to /wss and /wss/ only", async () => {
    const { address } = await startServer();
    for (const path of ["/wss", "/wss/", "/wss?x=y"]) {
      const raw = await connectRaw(address.port, upgradeRequest(path, CHANNELS_HEADERS));
      assert.equal(raw.received().toString("utf8", 2), '{"connection":"ok","heartbeat":30}', path);
    }
    for (const path of ["/wss/room", "/wss/room?x"]) {
      assert.match(
        await exchange(address.port, upgradeRequest(path, CHANNELS_HEADERS)),
        /^HTTP\/1.1 400 .*without a channel/s,
      );
    }
  });

  it("may send requests together with its handshake", async () => {
    const { address } = await startServer();
    const requests = ['{"subscribe":"a"}', '{"publish":1,"channel":"a","id":"1"}'];
    const frames = requests.map((text) => clientFrame(0x1, text));
    const handshake = Buffer.from(upgradeRequest("/wss", CHANNELS_HEADERS));
    const raw = await connectRaw(address.port, Buffer.concat([handshake, ...frames]));
    await raw.seen('{"channel":"a","offset":1,"message":1}');
    const [greeting, subscribed, ack] = textsOf(raw.received());
    assert.equal(greeting, '{"connection":"ok","heartbeat":30}');
    assert.match(subscribed ?? "", /^{"subscribed":"a"/);
    assert.match(ack ?? "", /^{"ack":"1"/);
  });

  it("receives the messages of its channels only, each with the name of its channel", async () => {
    const { url } = await startServer();
    const [client, sender] = [await connectChannels(url), await connectChannels(url)];
    for (const name of ["a", "b", "/"]) await client.subscribe(name);
    for (const name of ["c", "b", "/", "a"]) await sender.publish(name, `in ${name}`, name);
    await client.expect("b", 1, "in b");
    await client.expect("/", 1, "in /");
    await client.expect("a", 1, "in a");
  });

  it("shares its channels with plain clients, in both directions", async () => {
    const { url } = await startServer();
    const [client, plain, named] = [
      await connectChannels(url),
      await connect(url),
      await connect(`${url}/a`),
    ];
    await client.subscribe("/");
    await client.subscribe("a");
    plain.send(1);
    await client.expect("/", 1, 1);
    named.send(2);
    await client.expect("a", 1, 2);
    await client.publish("a", 3, "3");
    await client.expect("a", 2, 3);
    assert.deepEqual([await named.nextMessage(), await named.nextMessage()], [2, 3]);
    assert.equal(await plain.nextMessage(), 1);
  });

  it("resumes after every offset, and starts with the last messages", async () => {
    const { url, hub } = await startServer({}, { lingerMs: 60_000 });
    const client = await connectChannels(url);
    const { epoch } = await client.subscribe("a");
    for (const n of [1, 2, 3, 4]) {
      await hub.publish({ channel: "a", payload: String(n) });
      await client.expect("a", n, n);
    }
    const again = async (start: object, first: number): Promise<void> => {
      client.send({ unsubscribe: "a" });
      assert.deepEqual(await client.nextObject(), { unsubscribed: "a" });
      assert.deepEqual(await client.subscribe("a", start), { epoch, offset: first - 1 });
      for (let n = first; n <= 4; n++) await client.expect("a", n, n);
    };
    for (let offset = 0; offset <= 4; offset++) await again({ epoch, offset }, offset + 1);
    for (const [last, first] of [
      [1, 4],
      [3, 2],
      [4, 1],
      [1000, 1],
    ] as const) {
      await again({ last }, first);
    }
    await again({}, 5);
    await hub.publish({ channel: "a", payload: "5" });
    await client.expect("a", 5, 5);
  });

  it("receives nothing of a channel after unsubscribed, and can subscribe again", async () => {
    const { url, hub } = await startServer();
    const client = await connectChannels(url);
    await client.subscribe("a");
    client.send({ unsubscribe: "a" });
    assert.deepEqual(await client.nextObject(), { unsubscribed: "a" });
    await hub.publish({ channel: "a", payload: '"missed"' });
    await client.subscribe("b");
    await hub.publish({ channel: "b", payload: '"barrier"' });
    await client.expect("b", 1, "barrier");
    client.send({ unsubscribe: "never subscribed" });
    assert.equal(await client.expectError("never subscribed"), "invalid_channel");
    client.send({ unsubscribe: "c" });
    assert.deepEqual(await client.nextObject(), { unsubscribed: "c" });
    await client.subscribe("a");
  });

  it("leaves its channels when it disconnects", async () => {
    const server = await startServer();
    const client = await connectChannels(server.url);
    for (const name of ["a", "b", "c"]) await client.subscribe(name);
    assert.equal(server.subscriptions(), 3);
    assert.equal(server.hub.channels, 3);
    client.webSocket.terminate();
    await waitUntil(() => server.subscriptions() === 0 && server.hub.channels === 0);
  });

  it("receives subscribed and a gap when the log begins a new epoch", async () => {
    const log = new ManualLog();
    const { url } = await startServer({}, { log });
    const client = await connectChannels(url);
    const subscribing = client.subscribe("a");
    await waitUntil(() => log.readers.has("a"));
    log.reader("a").started({ epoch: "e", next: 1 }, "1");
    assert.deepEqual(await subscribing, { epoch: "e", offset: 1 });
    log.reader("a").started({ epoch: "f", next: 1 }, '"new"');
    assert.deepEqual(await client.nextObject(), { subscribed: "a", epoch: "f", offset: 0 });
    assert.deepEqual(await client.nextObject(), { gap: { channel: "a", epoch: "e", from: 2 } });
    await client.expect("a", 1, "new");
  });

  it("receives a gap of safe integers after the largest offset", async () => {
    const { url } = await startServer();
    const client = await connectChannels(url);
    const offset = Number.MAX_SAFE_INTEGER;
    await client.subscribe("a", { epoch: "another", offset });
    assert.deepEqual(await client.nextObject(), { gap: { channel: "a", epoch: "another", from: offset } });
  });

  it("receives a gap with both ends when the log has dropped messages", async () => {
    const log = new ManualLog();
    const { url } = await startServer({}, { log });
    const client = await connectChannels(url);
    const subscribing = client.subscribe("a");
    await waitUntil(() => log.readers.has("a"));
    log.reader("a").started({ epoch: "e", next: 1 });
    await subscribing;
    log.reader("a").started({ epoch: "e", next: 9 }, "9");
    assert.deepEqual(await client.nextObject(), { gap: { channel: "a", epoch: "e", from: 1, to: 8 } });
    await client.expect("a", 9, 9);
  });

  it("publishes with an id of its own in each channel, and without a subscription", async () => {
    const { url } = await startServer();
    const client = await connectChannels(url);
    assert.equal(await client.publish("a", 1, "id"), 1);
    assert.equal(await client.publish("b", 2, "id"), 1);
    client.send({ publish: 1, channel: "a", id: "id" });
    assert.equal((await client.nextObject())["duplicate"], true);
    client.send({ publish: 3, channel: "a", id: "id" });
    assert.equal(await client.expectError("a"), "id_in_use");
    client.send({ publish: 4 });
    assert.equal(await client.expectError(undefined), "invalid_message");
  });

  it("receives frames that depend on the channel only, so that subscribers share them", async () => {
    const { url, address, hub } = await startServer();
    const bare = [];
    for (let n = 0; n < 2; n++) {
      bare.push(await connectRawSubscriber(address.port, "/"));
    }
    const plain = await connect(url);
    await hub.publish({ channel: DEFAULT_CHANNEL, payload: '"é"', publisher: 'al"ice' });
    for (const raw of bare) {
      await raw.seen('{"channel":"/","offset":1,"message":"é","from":"al\\"ice"}');
    }
    assert.equal(await plain.next(), '{"message":"é"}');
  });

  it("has its invalid subscribes counted as refused subscribes", async () => {
    const { url, metrics } = await startServer();
    const client = await connectChannels(url);
    client.send({ subscribe: "two words" });
    assert.equal(await client.expectError("two words"), "invalid_channel");
    client.send({ unsubscribe: 1 });
    assert.equal(await client.expectError(undefined), "invalid_message");
    client.send({ publish: 1, channel: "two words" });
    assert.equal(await client.expectError("two words"), "invalid_channel");
    const { subscribesRefused, publishesRefused } = metrics.snapshot().tally;
    assert.deepEqual(subscribesRefused, { invalid_channel: 1, invalid_message: 1 });
    assert.deepEqual(publishesRefused, { invalid_channel: 1 });
  });
});
