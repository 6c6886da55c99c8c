import assert from "node:assert/strict";
import { once } from "node:events";

import { WebSocket } from "ws";

import { textFrame } from "../../../app/src/wire/frame.ts";
import type { MessageLog } from "../../../app/src/log/log.ts";
import type { Client } from "../support/client.ts";
import { connect } from "../support/client.ts";
import { createRemoteLog, memoryLog } from "../support/logs.ts";
import { clientFrame, connectRaw, upgradeRequest } from "../support/rawClient.ts";
import { startServer } from "../support/server.ts";
import { tearDown } from "../support/teardown.ts";

describe("messages of plain clients", () => {
  afterEach(tearDown);

  it("are delivered to all clients, including the sender", async () => {
    const { url } = await startServer();
    const [sender, other] = [await connect(url), await connect(url)];
    for (const value of [{ test: true }, [1, 2], "text", 0, null, false]) {
      sender.send(value);
      assert.equal(await sender.next(), JSON.stringify({ message: value }));
      assert.equal(await other.next(), JSON.stringify({ message: value }));
    }
  });

  for (const [name, payload, code] of [
    ["text", "no json", "invalid_json"],
    ["an empty message", "", "invalid_json"],
    ["invalid UTF-8 in a binary frame", Buffer.from([0x22, 0xff, 0x22]), "invalid_json"],
    ["deep nesting", "[".repeat(30_000) + "]".repeat(30_000), "too_deep"],
    ["an integer that would be rounded", "1234567890123456789", "unsafe_number"],
    ["a number that would be infinite", "1e400", "unsafe_number"],
  ] as const) {
    it(`are answered with an error to the sender only: ${name}`, async () => {
      const { url } = await startServer();
      const [sender, other] = [await connect(url), await connect(url)];
      sender.webSocket.send(payload);
      const answer = await sender.next();
      assert.match(answer, new RegExp(`^\\{"error":\\{"code":"${code}","message":"[^"]+"\\}\\}$`));
      assert.ok(
        payload.length === 0 || !answer.includes(payload.toString()),
        "the answer quotes the message",
      );

      sender.send("barrier");
      assert.equal(await sender.nextMessage(), "barrier", "the connection is closed");
      assert.equal(await other.nextMessage(), "barrier", "the other client received something before");
    });
  }

  it("have one order for all clients", async () => {
    const { url } = await startServer();
    const clients = [await connect(url), await connect(url), await connect(url), await connect(url)];
    const each = 100;
    clients.forEach((client, c) => {
      for (let n = 0; n < each; n++) client.send({ c, n });
    });
    const collect = async (client: Client): Promise<unknown[]> => {
      const all: unknown[] = [];
      while (all.length < clients.length * each) all.push(await client.nextMessage());
      return all;
    };
    const [first, ...rest] = await Promise.all(clients.map(collect));
    assert.ok(first !== undefined);
    for (const other of rest) assert.deepEqual(other, first);
    const ofFirst = first.filter((m) => (m as { c: number }).c === 0);
    assert.deepEqual(
      ofFirst,
      Array.from({ length: each }, (_, n) => ({ c: 0, n })),
      "the order of a sender",
    );
  });

  it("can arrive with the upgrade request", async () => {
    const server = await startServer({}, { log: createRemoteLog(1024, { append: 0, subscribe: 20 }) });
    const { address } = server;
    const early = Buffer.concat([
      Buffer.from(upgradeRequest()),
      clientFrame(0x1, '"at once"'),
      clientFrame(0x1, '"and this"'),
    ]);
    const raw = await connectRaw(address.port, early);
    await raw.seen('{"message":"and this"}');
    assert.deepEqual(
      raw.received(),
      Buffer.concat(
        ['{"connection":"ok"}', '{"message":"at once"}', '{"message":"and this"}'].map(textFrame),
      ),
    );
  });

  it("use channels.v1 if the client offers it, and no other subprotocol", async () => {
    const { url } = await startServer();
    for (const [offered, selected] of [
      [[], ""],
      [["channels.v1"], "channels.v1"],
      [["other", "channels.v1", "bearer.x"], "channels.v1"],
    ] as const) {
      const webSocket = new WebSocket(url, [...offered]);
      await once(webSocket, "open");
      assert.equal(webSocket.protocol, selected);
      webSocket.terminate();
    }
    // The library closes a connection without a selected subprotocol.
    const { address } = await startServer();
    const raw = await connectRaw(
      address.port,
      upgradeRequest("/wss", ["Sec-WebSocket-Protocol: channels.v2, Channels.v1"]),
    );
    assert.deepEqual(raw.received(), textFrame('{"connection":"ok"}'));
  });

  it("ignore empty elements in the list of subprotocols", async () => {
    const { address } = await startServer();
    for (const offered of ["channels.v1,", ", channels.v1", "other,, channels.v1"]) {
      const raw = await connectRaw(
        address.port,
        upgradeRequest("/wss", [`Sec-WebSocket-Protocol: ${offered}`]),
      );
      await raw.seen('"heartbeat"');
    }
  });

  it("use no extension", async () => {
    const { url } = await startServer();
    const { webSocket } = await connect(url, { perMessageDeflate: true });
    assert.equal(webSocket.extensions, "");
  });

  it("are delivered within their channel", async () => {
    const { url, hub } = await startServer();
    const longest = "n".repeat(64);
    const names = ["", "/a", "/A", "/a.b_c~d-9", `/${longest}`];
    const clients = await Promise.all(
      names.map(async (name) => ({ name, client: await connect(url + name) })),
    );
    assert.equal(hub.channels, names.length);
    for (const { name, client } of clients) client.send(name);
    for (const { name, client } of clients) assert.equal(await client.nextMessage(), name);
    for (const { client } of clients) client.send("barrier");
    for (const { client } of clients) assert.equal(await client.nextMessage(), "barrier");
  });

  it("are not read after the last client has left", async () => {
    const memory = memoryLog(1024);
    const stopped = Promise.withResolvers<undefined>();
    let clients = 2;
    const log: MessageLog = {
      ...memory,
      unsubscribe(...args) {
        assert.equal(clients, 0);
        memory.unsubscribe(...args);
        stopped.resolve(undefined);
      },
    };
    const { url } = await startServer({}, { log });
    for (const client of [await connect(url), await connect(url)]) {
      clients -= 1;
      client.webSocket.close();
      await client.closed;
    }
    await stopped.promise;
  });

  it("are not written after a Close frame was received", async () => {
    const server = await startServer({ messageBurst: 1_000_000 });
    const raw = await connectRaw(server.address.port);
    const other = await connect(server.url);
    const end = new Promise((resolve) => raw.socket.once("end", resolve));
    raw.socket.write(clientFrame(0x8, Buffer.from([0x03, 0xe8])));
    for (let n = 0; n < 100; n++) other.send(n);
    for (let n = 0; n < 100; n++) assert.equal(await other.nextMessage(), n);
    await end;
    assert.deepEqual(raw.received().subarray(-4), Buffer.from([0x88, 2, 0x03, 0xe8]));
  });
});
