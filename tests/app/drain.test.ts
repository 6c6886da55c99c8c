import assert from "node:assert/strict";

import type { MessageLog } from "../../app/src/log/log.ts";
import { connectChannels } from "./support/channelsClient.ts";
import { connect, refusal } from "./support/client.ts";
import { createRemoteLog, ManualLog, memoryLog } from "./support/logs.ts";
import { store } from "./support/manualServer.ts";
import { clientFrame, closeFrameStart, connectRaw, connectRawSubscriber } from "./support/rawClient.ts";
import { DEFAULT_CHANNEL, startServer, UNLIMITED } from "./support/server.ts";
import { tearDown } from "./support/teardown.ts";
import { waitUntil } from "../support/waitUntil.ts";

describe("the drain", () => {
  afterEach(tearDown);

  it("delivers what was published before it, then closes with 1001", async () => {
    const server = await startServer();
    const clients = [await connect(server.url), await connect(server.url), await connect(server.url)];
    const published = Promise.all(
      [1, 2, 3].map(async (n) => server.hub.publish({ channel: DEFAULT_CHANNEL, payload: String(n) })),
    );
    await server.drain();
    await published;
    for (const client of clients) {
      for (const n of [1, 2, 3]) assert.equal(await client.nextMessage(), n);
      assert.deepEqual(await client.closed, { code: 1001, reason: "the server goes away" });
    }
  });

  it("waits for publishes that the log has not answered", async () => {
    const server = await startServer({}, { log: createRemoteLog(1024) });
    const [sender, other] = [await connect(server.url), await connect(server.url)];
    sender.send("on its way");
    // The answer to a ping behind it: the server has read it.
    const pong = new Promise((resolve) => sender.webSocket.once("pong", resolve));
    sender.webSocket.ping();
    await pong;
    await server.drain();
    for (const client of [sender, other]) {
      assert.equal(await client.nextMessage(), "on its way");
      assert.equal((await client.closed).code, 1001);
    }
  });

  it("delivers the backlog of a paused reader before it closes the reader", async () => {
    const server = await startServer({ ...UNLIMITED, retainedBytes: 1 << 24 });
    const [paused, sender] = [await connect(server.url), await connect(server.url)];
    paused.webSocket.pause();
    const text = "x".repeat(60_000);
    for (let n = 0; n < 200; n++) {
      sender.send({ n, text });
      await sender.nextMessage();
    }
    const drained = server.drain();
    assert.equal((await sender.closed).code, 1001);
    paused.webSocket.resume();
    for (let n = 0; n < 200; n++) assert.deepEqual(await paused.nextMessage(), { n, text });
    assert.equal((await paused.closed).code, 1001);
    await drained;
  });

  it("turns readiness off and refuses upgrades, while it waits for clients to close", async () => {
    const server = await startServer();
    const stubborn = await connectRaw(server.address.port);
    const drained = server.drain();
    await stubborn.seen(closeFrameStart(1001));

    for (const path of ["/", "/health"]) assert.equal((await fetch(server.origin + path)).status, 503, path);
    assert.deepEqual(await refusal(server.url), { status: 503, retryAfter: "5" });

    stubborn.socket.write(clientFrame(0x8, closeFrameStart(1001)));
    await drained;
    assert.equal((await fetch(`${server.origin}/health`)).status, 503, "until the port is closed");
    await server.close();
    await assert.rejects(fetch(`${server.origin}/health`));
  });

  it("publishes nothing that arrives after its Close frame", async () => {
    const published: string[] = [];
    const memory = memoryLog(1024);
    const log: MessageLog = {
      ...memory,
      append(message) {
        published.push(message.record);
        return memory.append(message);
      },
    };
    const server = await startServer({}, { log });
    const stubborn = await connectRaw(server.address.port);
    stubborn.socket.write(clientFrame(0x1, Buffer.from('"in time"')));
    await stubborn.seen('{"message":"in time"}');
    const drained = server.drain();
    await stubborn.seen(closeFrameStart(1001));
    stubborn.socket.write(clientFrame(0x1, Buffer.from('"late"')));
    // The Close frame behind it ends the drain, so the late one has been read by then.
    stubborn.socket.write(clientFrame(0x8, closeFrameStart(1001)));
    await drained;
    assert.deepEqual(published, ['"in time"']);
  });

  it("refuses pending upgrades without waiting for the log", async () => {
    const log = new ManualLog();
    const server = await startServer({}, { log });
    const refused = refusal(server.url);
    await waitUntil(() => log.readers.has(DEFAULT_CHANNEL));
    const before = performance.now();
    const drained = server.drain();
    assert.deepEqual(await refused, { status: 503, retryAfter: "5" });
    assert.ok(performance.now() - before < 8000, "long before the upgrade times out");
    await drained;
  });

  it("answers publishes from before it, and refuses later ones", async () => {
    const log = new ManualLog();
    const server = await startServer({}, { log });
    const connecting = connectRawSubscriber(server.address.port, "/");
    await waitUntil(() => log.readers.has(DEFAULT_CHANNEL));
    log.reader(DEFAULT_CHANNEL).started({ epoch: "e", next: 1 });
    const client = await connecting;
    client.socket.write(clientFrame(0x1, '{"publish":1,"channel":"/","id":"before"}'));
    await waitUntil(() => log.appends.length > 0);

    const drained = server.drain();
    await waitUntil(() => {
      // The flush waits for what is on its way, for its share of the drain time.
      store(log, 0);
      log.readers.get(DEFAULT_CHANNEL)?.entries([{ offset: 1, record: "1" }]);
      return server.drainProgress() > 0;
    });
    client.socket.write(clientFrame(0x1, '{"publish":2,"channel":"/","id":"behind"}'));
    await client.seen(closeFrameStart(1001));
    assert.match(
      client.received().toString("latin1"),
      /"ack":"before","channel":"\/","epoch":"e","offset":1.*"channel":"\/","offset":1,"message":1/s,
    );
    assert.equal(log.appends.length, 1);
    client.socket.write(clientFrame(0x8, closeFrameStart(1001)));
    await drained;
  });

  it("asks its clients to leave one after the other, over a part of its time", async () => {
    const drainSeconds = 10;
    const server = await startServer({ drainSeconds });
    const clients = await Promise.all(Array.from({ length: 60 }, () => connect(server.url)));
    const before = performance.now();
    await server.drain();
    const took = performance.now() - before;
    assert.equal(server.drainProgress(), 1);
    for (const { closed } of clients) assert.equal((await closed).code, 1001);
    // At least 200 go per second: 60 take six steps of 50 ms, the first of them at once.
    assert.ok(took >= 5 * 50 - 25, `all went in ${took} ms`);
    assert.ok(took < (drainSeconds * 1000) / 2, `the last went after ${took} ms`);
  });

  it("moves clients that resume to another server without a lost message", async () => {
    const log = memoryLog();
    const [old, fresh] = [await startServer({}, { log }), await startServer({}, { log })];
    const client = await connectChannels(old.url);
    const { epoch } = await client.subscribe("/");
    const other = await connect(fresh.url);
    await client.publish("/", "one", "1");
    await client.expect("/", 1, "one");
    await old.drain();
    assert.equal((await client.closed).code, 1001);
    other.send("two");
    assert.equal(await other.nextMessage(), "one");
    assert.equal(await other.nextMessage(), "two");
    const again = await connectChannels(fresh.url);
    await again.subscribe("/", { epoch, offset: 1 });
    await again.expect("/", 2, "two");
  });

  it("terminates the remaining connections at its deadline", async () => {
    const server = await startServer({ drainSeconds: 0.2 });
    const stubborn = await connectRaw(server.address.port);
    const closed = new Promise((resolve) => stubborn.socket.once("close", resolve));
    const before = performance.now();
    await server.drain();
    assert.ok(performance.now() - before >= 190);
    await closed;
  });

  it("ends at its deadline even if some clients have not been asked", async () => {
    const drainSeconds = 0.3;
    const server = await startServer({ drainSeconds });
    const clients = await Promise.all(Array.from({ length: 60 }, () => connect(server.url)));
    const before = performance.now();
    const drained = server.drain();
    await waitUntil(() => server.drainProgress() > 0);
    // The event loop has too much to do.
    while (performance.now() - before < drainSeconds * 1000);
    await drained;
    assert.equal(server.connections(), 0);
    const codes = await Promise.all(clients.map(({ closed }) => closed.then(({ code }) => code)));
    assert.ok(codes.includes(1006), "some were terminated");
  });

  it("is idempotent, as is the close", async () => {
    const server = await startServer();
    await Promise.all([server.drain(), server.drain()]);
    await Promise.all([server.close(), server.close()]);
    await server.drain();
  });
});
