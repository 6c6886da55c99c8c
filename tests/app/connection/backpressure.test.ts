import assert from "node:assert/strict";
import { once } from "node:events";
import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";
import { MAX_SLICE_BYTES } from "../../../app/src/channel/slices.ts";
import { connectChannels } from "../support/channelsClient.ts";
import { connect } from "../support/client.ts";
import { startManualServer, store } from "../support/manualServer.ts";
import { clientFrame, closeFrameStart, connectRaw, nextServerSocket } from "../support/rawClient.ts";
import { DEFAULT_CHANNEL, startServer, UNLIMITED } from "../support/server.ts";
import { tearDown } from "../support/teardown.ts";
import { waitUntil } from "../../support/waitUntil.ts";

describe("backpressure", () => {
  afterEach(tearDown);

  it("drops a client that continues to send and reads nothing", async () => {
    const server = await startServer(
      { heartbeatSeconds: 0.1, retainedBytes: 1 << 26, ...UNLIMITED },
      { limits: { writeTimeoutMs: 300 } },
    );
    const raw = await connectRaw(server.address.port);
    raw.socket.pause();
    const alive = setInterval(() => raw.socket.write(clientFrame(0xa, "")), 20);
    const text = JSON.stringify("x".repeat(60_000));
    // More than the buffers of the system hold, and less than is retained.
    for (let n = 0; n < 300; n++) await server.hub.publish({ channel: DEFAULT_CHANNEL, payload: text });
    await waitUntil(() => server.connections() === 0);
    clearInterval(alive);
  });

  it("refuses publishes while too many bytes of all clients wait for the log", async () => {
    const limits = { maxUnansweredBytes: 1000 };
    const { log, server, client } = await startManualServer(UNLIMITED, { limits });
    const another = await connectChannels(server.url);
    client.send({ publish: "x".repeat(1000), channel: "a", id: "1" });
    await waitUntil(() => log.appends.length === 1);
    another.send({ publish: 2, channel: "a", id: "2" });
    assert.equal(await another.expectError("a"), "unavailable");

    store(log, 0);
    assert.equal((await client.nextObject())["ack"], "1");
    another.send({ publish: 2, channel: "a", id: "2" });
    await waitUntil(() => log.appends.length === 2);
  });

  it("refuses publishes that wait for a subscribe while too many bytes wait", async () => {
    const limits = { maxUnansweredBytes: 999 };
    const { log, server, client } = await startManualServer(UNLIMITED, { limits });
    const another = await connectChannels(server.url);
    client.send({ subscribe: "a" });
    client.send({ publish: "x".repeat(1000), channel: "a", id: "1" });
    await client.flushed();
    another.send({ subscribe: "b" });
    another.send({ publish: 2, channel: "b", id: "2" });
    await another.flushed();
    log.reader("a").started({ epoch: "e", next: 1 });
    await waitUntil(() => log.appends.length === 1);
    store(log, 0);
    assert.equal((await client.nextObject())["subscribed"], "a");
    assert.equal((await client.nextObject())["ack"], "1");
    log.reader("b").started({ epoch: "e", next: 1 });
    assert.equal((await another.nextObject())["subscribed"], "b");
    assert.equal(await another.expectError("b"), "unavailable");
    assert.equal(log.appends.length, 1);
  });

  it("stops reading while too many errors wait for an earlier answer", async () => {
    const { log, server, client } = await startManualServer(UNLIMITED);
    const TOTAL = 2000;
    for (let n = 0; n < TOTAL; n++) client.send({ subscribe: "a" });
    const { counts } = server.metrics;
    await waitUntil(() => counts.received >= 256);
    for (let turn = 0; turn < 100; turn++) await nextTurn();
    assert.ok(counts.received < 256 + 64, `${counts.received} are read`);
    log.reader("a").started({ epoch: "e", next: 1 });
    assert.equal((await client.nextObject())["subscribed"], "a");
    for (let n = 1; n < TOTAL; n++) await client.expectError("a");
  });

  it("closes a reader that needs messages which the log has dropped with 1013, and serves the others", async () => {
    const { url } = await startServer({
      retainedBytes: 256 * 1024,
      cacheMib: 4,
      ...UNLIMITED,
    });
    const [slow, other, sender] = [await connect(url), await connect(url), await connect(url)];
    slow.webSocket.pause();
    // Much more than the buffers of both ends of a connection hold.
    const text = "x".repeat(60_000);
    for (let n = 0; n < 400; n++) {
      sender.send({ n, text });
      assert.deepEqual(await sender.nextMessage(), { n, text });
      assert.deepEqual(await other.nextMessage(), { n, text });
    }
    slow.webSocket.resume();
    const { code, reason } = await slow.closed;
    assert.equal(code, 1013);
    assert.equal(reason, "reads too slowly");
    // What it did get has no hole.
    for (const [n, received] of slow.takeAll().entries()) {
      assert.deepEqual(JSON.parse(received), { message: { n, text } });
    }
  });

  it("delivers to a slow reader what only the log has, also when the server goes away", async () => {
    const server = await startServer({ ...UNLIMITED, retainedBytes: 1 << 24, cacheMib: 4 });
    const slow = await connect(server.url);
    slow.webSocket.pause();
    const text = "x".repeat(60_000);
    for (let n = 0; n < 200; n++) {
      await server.hub.publish({ channel: DEFAULT_CHANNEL, payload: JSON.stringify({ n, text }) });
      await nextTurn();
    }
    const drained = server.drain();
    slow.webSocket.resume();
    for (let n = 0; n < 200; n++) assert.deepEqual(await slow.nextMessage(), { n, text });
    assert.equal((await slow.closed).code, 1001);
    await drained;
  });

  it("writes little more than one slice to a socket that is not read", async () => {
    const server = await startServer({ retainedBytes: 1 << 22 });
    const accepted = nextServerSocket();
    const reader = await connect(server.url);
    const socket = await accepted;
    let mostBytes = 0;
    const measure = (): void => {
      mostBytes = Math.max(mostBytes, socket.writableLength);
    };
    // Behind the server's own listener, which writes what waits.
    socket.on("drain", measure);
    const text = "x".repeat(30_000);
    let published = 0;
    const publish = async (): Promise<void> => {
      await server.hub.publish({
        channel: DEFAULT_CHANNEL,
        payload: JSON.stringify({ n: published++, text }),
      });
      // The readers are notified in the next turn.
      await nextTurn();
      measure();
    };

    reader.webSocket.pause();
    await waitUntil(async () => {
      await publish();
      return socket.writableLength > 0;
    });
    for (let n = 0; n < 100; n++) await publish();
    reader.webSocket.resume();
    for (let n = 0; n < published; n++) assert.deepEqual(await reader.nextMessage(), { n, text });
    assert.ok(mostBytes <= 2 * MAX_SLICE_BYTES, `${mostBytes} bytes waited in the socket`);
  });

  it("stops reading from a client that does not read its errors, and drops it in the end", async () => {
    const server = await startServer({
      heartbeatSeconds: 0.2,
      ...UNLIMITED,
    });
    const raw = await connectRaw(server.address.port);
    raw.socket.pause();
    const mistakes = Buffer.concat(Array<Buffer>(100_000).fill(clientFrame(0x1, "?")));
    // More than the buffers of the system hold: it is only gone when the server does not read any more.
    for (let n = 0; n < 20; n++) raw.socket.write(mistakes);
    await waitUntil(() => server.connections() === 0);
    assert.ok(server.metrics.counts.received < 20 * 100_000, "it was not read to the end");
    const other = await connect(server.url);
    other.send("barrier");
    assert.equal(await other.nextMessage(), "barrier");
  });

  for (const [what, bytes, total, unanswered] of [
    ["messages", 100, 1000, 256],
    ["bytes", 60_000, 60, 5],
  ] as const) {
    it(`stops reading while too many ${what} of a client are unanswered, and continues then`, async () => {
      const { log, client } = await startManualServer(UNLIMITED);

      const value = "x".repeat(bytes);
      for (let n = 0; n < total; n++) client.send({ publish: value, channel: "a", id: String(n) });
      await waitUntil(() => log.appends.length >= unanswered);
      for (let turn = 0; turn < 100; turn++) await nextTurn();
      // It stops behind the frames of one turn.
      assert.ok(log.appends.length < unanswered + 64, `${log.appends.length} are on their way`);

      for (let n = 0; n < total; n++) {
        await waitUntil(() => log.appends.length > n);
        store(log, n);
      }
      for (let n = 0; n < total; n++) {
        assert.equal((await client.nextObject())["ack"], String(n));
      }
    });
  }

  it("accepts a burst that it has caused by not reading", async () => {
    const [messagesPerSecond, messageBurst] = [1000, 300];
    const { log, client } = await startManualServer({ messagesPerSecond, messageBurst });
    const since = performance.now();
    const total = 3 * messageBurst;
    for (let sent = 0; sent < total;) {
      client.send({ publish: (sent += 1), channel: "a", id: String(sent) });
      if (sent % 20 === 0) await delay(Math.max(0, since + sent - performance.now()));
    }
    // It has stopped to read long ago.
    assert.ok(log.appends.length < total - messageBurst);
    for (let n = 0; n < total; n++) {
      await waitUntil(() => log.appends.length > n);
      store(log, n);
    }
    for (let n = 1; n <= total; n++) {
      assert.equal((await client.nextObject())["ack"], String(n));
    }
  });

  it("does not drop a silent client whose publishes wait for the log", async () => {
    const { log, server, client } = await startManualServer({ heartbeatSeconds: 0.05, ...UNLIMITED });
    // Much more than the server reads ahead, so that the pongs behind it are not read.
    const value = "x".repeat(10_000);
    for (let n = 0; n < 300; n++) client.send({ publish: value, channel: "a", id: String(n) });
    await waitUntil(() => log.appends.length >= 26);
    // Its pongs are not read any more; another client, which is, has been beaten many times meanwhile.
    const other = await connectChannels(server.url);
    for (let pings = 0; pings < 8; pings++) await once(other.webSocket, "ping");
    assert.equal(server.connections(), 2);
    for (const n of log.appends.keys()) store(log, n);
    assert.equal((await client.nextObject())["ack"], "0");
  });

  it("releases the unread messages of a closing client", async () => {
    const server = await startServer({ messagesPerSecond: 1, messageBurst: 2, retainedBytes: 256 * 1024 });
    const raw = await connectRaw(server.address.port);
    for (let n = 0; n < 3; n++) raw.socket.write(clientFrame(0x1, '"too eager"'));
    await raw.seen(closeFrameStart(1008));
    // It does not answer the Close frame, so its connection lingers.
    const text = JSON.stringify("x".repeat(50_000));
    for (let n = 0; n < 100; n++) await server.hub.publish({ channel: DEFAULT_CHANNEL, payload: text });
    await nextTurn();
    assert.equal(server.connections(), 1);
    assert.equal(server.hub.slowestLagBytes, 0);
  });
});
