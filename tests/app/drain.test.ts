import assert from "node:assert/strict";

import type { MessageLog } from "../../app/src/log/log.ts";
import { createMemoryLog } from "../../app/src/log/memory.ts";
import {
  Client,
  clientFrame,
  closeFrameStart,
  connect,
  connectRaw,
  createRemoteLog,
  refusal,
  startServer,
  tearDown,
} from "./support.ts";

describe("the drain", () => {
  afterEach(tearDown);

  it("delivers what was published before it, then closes with 1001", async () => {
    const server = await startServer();
    const clients = [await connect(server.url), await connect(server.url), await connect(server.url)];
    const published = Promise.all([1, 2, 3].map((n) => server.hub.publish("default", String(n))));
    await server.drain();
    await published;
    for (const client of clients) {
      for (const n of [1, 2, 3]) assert.equal(await client.nextMessage(), n);
      assert.deepEqual(await client.closed, { code: 1001, reason: "the server goes away" });
    }
  });

  it("waits for messages that are still on their way into the log", async () => {
    const server = await startServer({}, createRemoteLog(1024));
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

  it("delivers the backlog of a reader that paused before it closes that one", async () => {
    const server = await startServer({
      messagesPerSecond: 1_000_000,
      messageBurst: 1_000_000,
      retainedBytes: 1 << 24,
    });
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

  it("publishes nothing that comes in behind its Close frame", async () => {
    const published: string[] = [];
    const memory = createMemoryLog({ retainedBytes: 1024 });
    const log: MessageLog = {
      ...memory,
      append(channel, payload) {
        published.push(payload);
        return memory.append(channel, payload);
      },
    };
    const server = await startServer({}, log);
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

  it("sends away who has not joined yet, without waiting for the log", async () => {
    const memory = createMemoryLog({ retainedBytes: 1024 });
    const joining = Promise.withResolvers<undefined>();
    const log: MessageLog = {
      ...memory,
      subscribe() {
        joining.resolve(undefined);
        return () => undefined;
      },
    };
    const server = await startServer({}, log);
    const client = new Client(server.url);
    await joining.promise;
    const drained = server.drain();
    assert.equal((await client.closed).code, 1001);
    await drained;
  });

  it("terminates who has not closed when its time is over", async () => {
    const server = await startServer({ drainSeconds: 0.2 });
    const stubborn = await connectRaw(server.address.port);
    const closed = new Promise((resolve) => stubborn.socket.once("close", resolve));
    const before = performance.now();
    await server.drain();
    assert.ok(performance.now() - before >= 190);
    await closed;
  });

  it("may be asked for twice, as may the close", async () => {
    const server = await startServer();
    await Promise.all([server.drain(), server.drain()]);
    await Promise.all([server.close(), server.close()]);
    await server.drain();
  });
});
