import assert from "node:assert/strict";
import { once } from "node:events";
import { connectChannels } from "../support/channelsClient.ts";
import { connect } from "../support/client.ts";
import { clientFrame, closeFrameStart, connectRaw } from "../support/rawClient.ts";
import { startServer, UNLIMITED } from "../support/server.ts";
import { tearDown } from "../support/teardown.ts";

describe("limits", () => {
  afterEach(tearDown);

  it("closes with 1009 if a message is too large, and accepts the maximum size", async () => {
    const { url } = await startServer({ maxPayloadBytes: 10 });
    const client = await connect(url);
    client.webSocket.send('"12345678"');
    assert.equal(await client.nextMessage(), "12345678");
    client.webSocket.send('"123456789"');
    assert.deepEqual(await client.closed, { code: 1009, reason: "more than 10 bytes" });
  });

  it("closes with 1008 above the rate, and publishes no message above it", async () => {
    const { url } = await startServer({ messagesPerSecond: 1, messageBurst: 3 });
    const [fast, other] = [await connect(url), await connect(url)];
    for (let n = 0; n < 10; n++) fast.send(n);
    const { code, reason } = await fast.closed;
    assert.equal(code, 1008);
    assert.equal(reason, "more than 1 messages per second, or 3 at once");
    other.send("barrier");
    assert.deepEqual(
      [
        await other.nextMessage(),
        await other.nextMessage(),
        await other.nextMessage(),
        await other.nextMessage(),
      ],
      [0, 1, 2, "barrier"],
    );
  });

  it("neither reads from nor delivers to a client that it has closed", async () => {
    const server = await startServer({ messagesPerSecond: 1000, messageBurst: 3 });
    const [raw, other] = [await connectRaw(server.address.port), await connect(server.url)];
    const frame = clientFrame(0x1, Buffer.from('"early"'));
    raw.socket.write(Buffer.concat(Array<Buffer>(20_000).fill(frame)));
    await raw.seen(closeFrameStart(1008));
    const last = raw.received();
    // Its rate would allow it again by now.
    await new Promise((resolve) => raw.socket.write(clientFrame(0x1, Buffer.from('"late"')), resolve));

    other.send("barrier");
    let message: unknown;
    do {
      message = await other.nextMessage();
      assert.notEqual(message, "late");
    } while (message !== "barrier");
    assert.deepEqual(raw.received(), last);
  });

  it("closes with 1008 above the rate of bytes, for every kind of frame", async () => {
    const settings = { ...UNLIMITED, maxPayloadBytes: 20_000, bytesPerSecond: 10_000 };
    const { url, address } = await startServer(settings);
    const [fast, other] = [await connect(url), await connect(url)];
    // Four messages of the largest size are always allowed.
    for (let n = 0; n < 6; n++) fast.send("x".repeat(19_990));
    assert.deepEqual(await fast.closed, { code: 1008, reason: "more than 10000 bytes per second" });
    for (let n = 0; n < 4; n++) assert.equal(await other.nextMessage(), "x".repeat(19_990));

    const raw = await connectRaw(address.port);
    raw.socket.write(Buffer.concat(Array<Buffer>(1000).fill(clientFrame(0xa, "x".repeat(125)))));
    await raw.seen(closeFrameStart(1008));
  });

  it("does not count the pongs that answer its pings", async () => {
    const { url } = await startServer({ heartbeatSeconds: 0.02, messagesPerSecond: 1, messageBurst: 1 });
    const client = await connect(url);
    for (let pings = 0; pings < 30; pings++) await once(client.webSocket, "ping");
    client.send("still here");
    assert.equal(await client.nextMessage(), "still here");
  });

  it("reads little more from a client above a limit, and drops it soon", async () => {
    const server = await startServer({ messagesPerSecond: 1, messageBurst: 1 });
    const { socket } = await connectRaw(server.address.port);
    const closed = once(socket, "close");
    const since = performance.now();
    const flood = Buffer.concat(Array<Buffer>(10_000).fill(clientFrame(0x1, '"flood"')));
    const more = (): void => void socket.write(flood);
    socket.on("drain", more);
    more();
    await closed;
    // It would have 10 seconds to answer the Close frame.
    assert.ok(performance.now() - since < 5000);
    assert.equal(server.metrics.counts.received, 1);
  });

  it("sends a heartbeat message with each ping to clients of channels.v1 only", async () => {
    const { url } = await startServer({ heartbeatSeconds: 0.05 });
    const client = await connectChannels(url);
    for (let beats = 0; beats < 3; beats++) assert.deepEqual(await client.nextValue(), { heartbeat: 0.05 });
    const plain = await connect(url);
    for (let pings = 0; pings < 3; pings++) await once(plain.webSocket, "ping");
    plain.send("the first that comes");
    assert.equal(await plain.nextMessage(), "the first that comes");
  });

  it("drops a client that is silent for a whole interval, and keeps one that answers", async () => {
    const { url } = await startServer({ heartbeatSeconds: 0.1 });
    const alive = await connect(url);
    const dead = await connect(url, { autoPong: false });
    const pings: unknown[] = [];
    alive.webSocket.on("ping", (data) => pings.push(data));
    assert.equal((await dead.closed).code, 1006);
    alive.send("barrier");
    assert.equal(await alive.nextMessage(), "barrier");
    assert.ok(pings.length > 0);
  });
});
