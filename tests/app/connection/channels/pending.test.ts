/** Requests whose answers have to wait: for the log, or for each other. */
import assert from "node:assert/strict";

import { startManualServer, store } from "../../support/manualServer.ts";
import { tearDown } from "../../support/teardown.ts";
import { waitUntil } from "../../../support/waitUntil.ts";

describe("a pending request of channels.v1", () => {
  afterEach(tearDown);

  it("that subscribes prevents another subscribe of the same channel", async () => {
    const { log, client } = await startManualServer();
    client.send({ subscribe: "a" });
    client.send({ subscribe: "a" });
    client.send({ subscribe: "b" });
    await waitUntil(() => log.readers.has("a") && log.readers.has("b"));
    log.reader("b").started({ epoch: "e", next: 1 });
    assert.deepEqual(await client.nextObject(), { subscribed: "b", epoch: "e", offset: 0 });
    log.reader("a").started({ epoch: "e", next: 1 });
    assert.deepEqual(await client.nextObject(), { subscribed: "a", epoch: "e", offset: 0 });
    assert.equal(await client.expectError("a"), "already_subscribed");
  });

  it("that subscribes is cancelled by an unsubscribe", async () => {
    const { log, server, client } = await startManualServer();
    client.send({ subscribe: "a" });
    client.send({ unsubscribe: "a" });
    assert.deepEqual(await client.nextObject(), { unsubscribed: "a" });
    assert.equal(server.subscriptions(), 0);
    client.send({ subscribe: "a" });
    await client.flushed();
    log.reader("a").started({ epoch: "e", next: 1 });
    assert.deepEqual(await client.nextObject(), { subscribed: "a", epoch: "e", offset: 0 });
    log.reader("a").entries([{ offset: 1, record: "1" }]);
    await client.expect("a", 1, 1);
    assert.deepEqual(client.takeAll(), []);
    assert.equal(server.subscriptions(), 1);
  });

  it("that subscribes is aborted when the client disconnects", async () => {
    const { log, server, client } = await startManualServer();
    client.send({ subscribe: "a" });
    await waitUntil(() => log.readers.has("a"));
    client.webSocket.terminate();
    await waitUntil(() => server.connections() === 0 && server.hub.channels === 0);
    assert.equal(server.subscriptions(), 0);
  });

  it("that subscribes is rejected when the client has to leave", async () => {
    const { log, server, client } = await startManualServer();
    client.send({ subscribe: "a" });
    await waitUntil(() => log.readers.has("a"));
    const drained = server.drain();
    assert.equal(await client.expectError("a"), "unavailable");
    assert.equal((await client.closed).code, 1001);
    await drained;
  });

  it("that publishes is answered before the client leaves, and later ones are refused", async () => {
    const { log, server, client } = await startManualServer();
    client.send({ publish: 1, channel: "a", id: "1" });
    await waitUntil(() => log.appends.length === 1);
    const drained = server.release(1, 0);
    for (const request of [{ publish: 2, channel: "b", id: "2" }, { subscribe: "b" }]) {
      client.send(request);
      assert.equal(await client.expectError("b"), "unavailable");
    }
    store(log, 0);
    assert.deepEqual(await client.nextObject(), { ack: "1", channel: "a", epoch: "e", offset: 1 });
    assert.equal((await client.closed).code, 1012);
    await drained;
  });

  it("is answered in the order of the requests of its channel, before those of another channel or not", async () => {
    const { log, client } = await startManualServer();
    client.send({ publish: 1, channel: "a", id: "1" });
    client.send({ subscribe: "a" });
    client.send({ publish: 1, channel: "a", id: "" });
    client.send({ publish: 1, channel: "b", id: "" });
    client.send({ unsubscribe: "a" });
    client.send({ publish: 2, channel: "a" });
    client.send({ subscribe: "a", last: 5 });
    client.send({ subscribe: "two words" });
    assert.equal(await client.expectError("b"), "invalid_message");
    assert.equal(await client.expectError("two words"), "invalid_channel");
    log.reader("a").started({ epoch: "e", next: 1 }, "0");
    log.appends[1]?.answer.reject(new Error("lost"));
    await client.flushed();
    assert.deepEqual(client.takeAll(), [], "the first publish has no answer");
    store(log, 0);
    assert.equal((await client.nextObject())["ack"], "1");
    assert.equal(await client.expectError("a"), "invalid_message");
    assert.deepEqual(await client.nextObject(), { unsubscribed: "a" });
    assert.equal(await client.expectError("a"), "unavailable");
    assert.deepEqual(await client.nextObject(), { subscribed: "a", epoch: "e", offset: 0 });
    await client.expect("a", 1, 0);
  });

  it("that subscribes comes before later publishes of the client to its channel, which it receives", async () => {
    const { log, client } = await startManualServer();
    client.send({ subscribe: "a" });
    client.send({ publish: 1, channel: "a", id: "1" });
    client.send({ publish: 2, channel: "b" });
    await waitUntil(() => log.appends.length === 1);
    assert.equal(log.appends[0]?.message.channel, "b");
    log.reader("a").started({ epoch: "e", next: 1 });
    assert.deepEqual(await client.nextObject(), { subscribed: "a", epoch: "e", offset: 0 });
    await waitUntil(() => log.appends.length === 2);
    log.reader("a").entries([{ offset: 1, record: "1" }]);
    await client.expect("a", 1, 1);
    log.appends[1]?.answer.resolve({ epoch: "e", offset: 1, duplicate: false });
    assert.equal((await client.nextObject())["ack"], "1");
  });

  it("that subscribes and is cancelled delays a publish no longer", async () => {
    const { log, server, client } = await startManualServer();
    client.send({ subscribe: "a" });
    client.send({ publish: 1, channel: "a", id: "1" });
    client.send({ unsubscribe: "a" });
    client.send({ publish: 2, channel: "a", id: "2" });
    await waitUntil(() => log.appends.length === 2);
    assert.deepEqual(
      log.appends.map(({ message }) => message.id),
      ["1", "2"],
    );
    for (const n of [1, 0]) store(log, n);
    assert.equal((await client.nextObject())["ack"], "1");
    assert.deepEqual(await client.nextObject(), { unsubscribed: "a" });
    assert.equal((await client.nextObject())["ack"], "2");

    client.send({ subscribe: "a" });
    client.send({ publish: 3, channel: "a", id: "3" });
    await client.flushed();
    client.webSocket.terminate();
    await waitUntil(() => server.connections() === 0);
    assert.equal(log.appends.length, 3, "what has arrived is published");
  });

  it("delays no message of its channel beyond subscribed, and delivers none before it", async () => {
    const { log, client } = await startManualServer();
    client.send({ publish: 1, channel: "a", id: "1" });
    client.send({ subscribe: "a" });
    await waitUntil(() => log.readers.has("a"));
    log.reader("a").started({ epoch: "e", next: 1 });
    await client.flushed();
    log.reader("a").entries([{ offset: 1, record: "1" }]);
    await client.flushed();
    assert.deepEqual(client.takeAll(), []);
    store(log, 0);
    assert.equal((await client.nextObject())["ack"], "1");
    assert.deepEqual(await client.nextObject(), { subscribed: "a", epoch: "e", offset: 0 });
    await client.expect("a", 1, 1);
  });

  it("that resumes is rejected if the log cannot return its end", async () => {
    const { log, client } = await startManualServer();
    client.send({ subscribe: "a", epoch: "e", offset: 7 });
    await waitUntil(() => log.readers.has("a"));
    log.reader("a").started({ epoch: "e", next: 1 });
    assert.equal(await client.expectError("a"), "unavailable");
  });

  it("that subscribes is rejected if the log does not answer in time", async function () {
    this.timeout(20_000);
    const { log, server, client } = await startManualServer();
    client.send({ subscribe: "a" });
    await waitUntil(() => log.readers.has("a"));
    await waitUntil(() => server.subscriptions() === 0, { forMs: 12_000, everyMs: 100 });
    assert.equal(await client.expectError("a"), "unavailable");
    assert.deepEqual(server.metrics.snapshot().tally.subscribesRefused, { unavailable: 1 });
    client.send({ unsubscribe: "a" });
    assert.deepEqual(await client.nextObject(), { unsubscribed: "a" });
  });
});
