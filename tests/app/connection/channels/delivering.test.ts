import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { setImmediate as nextTurn } from "node:timers/promises";

import { connectChannels } from "../../support/channelsClient.ts";
import type { ChannelsClient } from "../../support/channelsClient.ts";
import { clientFrame, connectRawSubscriber, nextServerSocket } from "../../support/rawClient.ts";
import { startServer, UNLIMITED } from "../../support/server.ts";
import { tearDown } from "../../support/teardown.ts";
import { waitUntil } from "../../../support/waitUntil.ts";

const KIB = 1024;

describe("delivery to a connection of channels.v1", () => {
  afterEach(tearDown);

  it("is one write for all answers of a turn", async () => {
    const server = await startServer();
    const accepted = nextServerSocket();
    const raw = await connectRawSubscriber(server.address.port, "a");
    const socket = await accepted;
    const writes: unknown[] = [];
    const write = socket.write.bind(socket);
    socket.write = ((...args: Parameters<typeof write>) => {
      writes.push(args[0]);
      return write(...args);
    }) as typeof write;
    const requests = ["b", "c", "d"].map((channel) => JSON.stringify({ publish: 1, channel, id: channel }));
    raw.socket.write(Buffer.concat(requests.map((request) => clientFrame(0x1, request))));
    await raw.seen('{"ack":"d"');
    assert.equal(writes.length, 1);
  });

  it("does not let a channel with many messages delay another one", async () => {
    const server = await startServer({ ...UNLIMITED, retainedBytes: 16 * KIB * KIB });
    const accepted = nextServerSocket();
    const raw = await connectRawSubscriber(server.address.port, "flood", "quiet");
    const socket = await accepted;
    raw.socket.pause();
    const text = JSON.stringify("x".repeat(10 * KIB));
    await waitUntil(async () => {
      for (let n = 0; n < 10; n++) void server.hub.publish({ channel: "flood", payload: text });
      await nextTurn();
      return socket.writableLength > 0;
    });
    // Several MiB are behind the position of the client now.
    for (let n = 0; n < 200; n++) void server.hub.publish({ channel: "flood", payload: text });
    await nextTurn();
    void server.hub.publish({ channel: "quiet", payload: '"on time"' });
    await nextTurn();
    const before = socket.bytesWritten;
    raw.socket.resume();
    await raw.seen('{"channel":"quiet","offset":1,"message":"on time"}');
    const received = raw.received();
    const quietAt = received.indexOf('{"channel":"quiet"');
    const waiting = received.subarray(0, quietAt).length - before;
    assert.ok(waiting < 200 * KIB, `${waiting} bytes came before the message of the quiet channel`);
    await raw.seen('"flood","offset":210');
  });

  it("delivers everything of several channels with many messages, each in order", async () => {
    const server = await startServer({ ...UNLIMITED, retainedBytes: 16 * KIB * KIB });
    const client = await connectChannels(server.url);
    const names = ["a", "b", "c"];
    for (const name of names) await client.subscribe(name);
    const text = "x".repeat(5 * KIB);
    const COUNT = 200;
    for (let n = 0; n < COUNT; n++) {
      for (const channel of names) {
        void server.hub.publish({ channel, payload: JSON.stringify({ n, text }) });
      }
    }
    const next = new Map<unknown, number>();
    for (let n = 0; n < names.length * COUNT; n++) {
      const { channel, offset, message } = await client.nextObject();
      const expected = next.get(channel) ?? 1;
      assert.equal(offset, expected);
      assert.ok(isDeepStrictEqual(message, { n: expected - 1, text }));
      next.set(channel, expected + 1);
    }
  });

  it("lets a slow reader continue behind a gap", async () => {
    const server = await startServer({ ...UNLIMITED, retainedBytes: 256 * KIB, cacheMib: 4 });
    const [slow, other] = [await connectChannels(server.url), await connectChannels(server.url)];
    for (const client of [slow, other]) await client.subscribe("a");
    slow.webSocket.pause();
    const text = "x".repeat(60_000);
    const COUNT = 400;
    for (let n = 1; n <= COUNT; n++) {
      await server.hub.publish({ channel: "a", payload: JSON.stringify(text) });
      await other.expect("a", n, text);
    }
    slow.webSocket.resume();
    const missing = await readTo(slow, COUNT);
    assert.ok(missing > 0);
    assert.equal(server.connections(), 2);
    await slow.subscribe("b");
    await server.hub.publish({ channel: "a", payload: "1" });
    await slow.expect("a", COUNT + 1, 1);
  });

  it("closes nothing while a subscription has something to read, then leaves", async () => {
    const server = await startServer({ ...UNLIMITED, retainedBytes: 16 * KIB * KIB });
    const [paused, idle] = [await connectChannels(server.url), await connectChannels(server.url)];
    for (const name of ["a", "b"]) await paused.subscribe(name);
    await idle.subscribe("c");
    paused.webSocket.pause();
    const text = "x".repeat(60_000);
    for (let n = 1; n <= 100; n++) {
      for (const channel of ["a", "b"]) {
        await server.hub.publish({ channel, payload: JSON.stringify(text) });
      }
    }
    const drained = server.drain();
    assert.deepEqual(await idle.closed, { code: 1001, reason: "the server goes away" });
    paused.webSocket.resume();
    const next = { a: 1, b: 1 };
    for (let n = 0; n < 200; n++) {
      const { channel, offset } = await paused.nextObject();
      assert.ok(channel === "a" || channel === "b");
      assert.equal(offset, next[channel]++);
    }
    assert.equal((await paused.closed).code, 1001);
    await drained;
  });

  it("releases connections of channels.v1 with 1012, the newest first", async () => {
    const server = await startServer();
    const [first, second] = [await connectChannels(server.url), await connectChannels(server.url)];
    await second.subscribe("a");
    await server.release(1, 0);
    assert.deepEqual(await second.closed, { code: 1012, reason: "another server has more room" });
    await first.subscribe("a");
  });
});

/** Reads the messages of a channel to an offset. Returns how many are missing by gaps, which must explain each of them. */
async function readTo(client: ChannelsClient, last: number): Promise<number> {
  let missing = 0;
  for (let next = 1; next <= last;) {
    const { offset, gap } = await client.nextObject();
    if (gap === undefined) {
      assert.equal(offset, next);
      next += 1;
    } else {
      const { from, to } = gap as { readonly from: number; readonly to: number };
      assert.equal(from, next);
      missing += to - from + 1;
      next = to + 1;
    }
  }
  return missing;
}
