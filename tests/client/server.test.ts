import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { WebSocket } from "ws";

import { connect } from "../../client/src/index.ts";
import type { Connection, ConnectOptions, Message } from "../../client/src/index.ts";
import { run } from "../app/support/processes.ts";
import { startServer } from "../app/support/server.ts";
import { afterwards, tearDown } from "../app/support/teardown.ts";
import { authorizer, createKey, now, sign, startKeyServer } from "../app/support/tokens.ts";
import { EventLog, join } from "./support/connection.ts";
import { Queue } from "./support/queue.ts";
import { ROOM } from "./support/scriptedServer.ts";

/** Short waits between attempts. */
const SHORT_BACKOFF = { backoffBaseMs: 10, backoffCapMs: 50 };

function open(url: string, options: ConnectOptions = {}): Connection {
  const connection = connect(url, { ...SHORT_BACKOFF, ...options });
  afterwards(() => connection.close());
  return connection;
}

/** A class whose WebSockets a test can close. */
function recordingWebSocket(): { readonly opened: WebSocket[]; readonly WebSocket: typeof WebSocket } {
  const opened: WebSocket[] = [];
  class Recorded extends WebSocket {
    constructor(address: string, protocols: string[]) {
      super(address, protocols);
      opened.push(this);
    }
  }
  return { opened, WebSocket: Recorded as typeof WebSocket };
}

/** The values of a channel, in order. */
function values(connection: Connection, name = ROOM): Queue<unknown> {
  const queue = new Queue<unknown>(`a message of ${name}`);
  connection.channel(name, {
    onMessage: ({ value }) => {
      queue.put(value);
    },
    onGap: (gap) => {
      queue.put(gap);
    },
  });
  return queue;
}

describe("clients of the server", () => {
  afterEach(tearDown);

  it("receive the same messages in the same order, in several channels of one connection", async () => {
    const { url } = await startServer();
    const [one, other] = [open(url), open(url)];
    const names = [ROOM, "another", "/"];
    const readers = [one, other].map((connection) => names.map((name) => join(connection, name)));
    for (const reader of readers.flat()) await reader.read(1);
    await Promise.all([
      ...[1, 2, 3].map((value) => one.publish(ROOM, { value })),
      other.publish(ROOM, null),
      other.publish("another", "elsewhere"),
      one.publish("/", "default"),
    ]);
    for (const reader of readers) {
      const counts = [4, 1, 1];
      for (const [index, count] of counts.entries()) {
        const texts = await reader[index]?.read(count);
        assert.deepEqual(
          texts?.map((text) => Number(text.split(" ")[1])),
          Array.from({ length: count }, (_, at) => at + 1),
        );
      }
    }
  });

  it("begin with the last messages, or after a position", async () => {
    const { url } = await startServer();
    const connection = open(url);
    for (const value of [1, 2, 3, 4]) await connection.publish(ROOM, value);
    const position = await connection.publish(ROOM, 5);
    await connection.publish(ROOM, 6);
    const seen: unknown[] = [];
    for await (const { value, offset } of open(url).channel(ROOM, { last: 3 })) {
      seen.push([value, offset]);
      if (offset === 6) break;
    }
    assert.deepEqual(seen, [
      [4, 4],
      [5, 5],
      [6, 6],
    ]);
    const { read } = join(open(url), ROOM, { after: position });
    assert.deepEqual(await read(2), [`at ${position.epoch} 5`, `${position.epoch} 6`]);
  });

  it("run the first example of the README", async () => {
    const { url } = await startServer();
    const folder = await mkdtemp(path.join(tmpdir(), "client-"));
    afterwards(() => rm(folder, { recursive: true }));
    const client = new URL("../../client/", import.meta.url);
    const readme = await readFile(new URL("README.md", client), "utf8");
    const [, example = ""] = /^```js\n(.*?)^```/ms.exec(readme) ?? [];
    const script = example
      .replace("@pulumi-websocket-server/client", new URL("src/index.ts", client).href)
      .replace("wss://example.com/wss", url);
    const file = path.join(folder, "example.mjs");
    // The own message may arrive after its acknowledgement.
    const end = `
      while (room.position.offset < offset) await new Promise((resolve) => setTimeout(resolve, 1));
      await connection.close();`;
    await writeFile(file, script + end);
    const { ended } = run(file, [], {});
    const { code, output, errors } = await ended;
    assert.deepEqual({ code, errors }, { code: 0, errors: "" });
    assert.equal(output, "1 { text: 'Hello' }");
  });

  it("receive each message once while connections are dropped", async function () {
    this.timeout(30_000);
    const { url } = await startServer();
    const { opened, WebSocket: Recorded } = recordingWebSocket();
    const connections = [0, 1].map(() => open(url, { WebSocket: Recorded, maxInFlight: 3 }));
    const [reader, writer] = connections;
    assert.ok(reader && writer);
    const events = connections.map((connection) => new EventLog(connection));
    const names = ["a", "b"] as const;
    const seen: readonly unknown[][] = [[], []];
    const queues = names.map((name) => values(reader, name));
    const subscribed = join(reader, "b");
    for (const log of events) await log.next("open");
    await subscribed.read(1);
    const published: Promise<unknown>[] = [];
    const drops = 8;
    const perDrop = 16;
    const take = async (count: number): Promise<void> => {
      for (const [index, queue] of queues.entries()) seen[index]?.push(...(await queue.takeMany(count)));
    };
    for (let drop = 1; drop <= drops; drop += 1) {
      for (let index = 0; index < perDrop; index += 1) {
        published.push(writer.publish(names[index % 2] ?? "", published.length));
      }
      // Some are read, some are in flight and some are not sent yet.
      await take(perDrop / 4);
      const dropped = opened.splice(0);
      assert.equal(dropped.length, connections.length);
      const closed = dropped.map((webSocket) => once(webSocket, "close"));
      for (const webSocket of dropped) webSocket.close();
      await Promise.all(closed);
      for (const log of events) await log.next("open");
    }
    await take((drops * perDrop) / 4);
    const all = published.map((_, index) => index);
    assert.deepEqual(seen, [all.filter((index) => index % 2 === 0), all.filter((index) => index % 2 === 1)]);
    await Promise.all(published);
  });

  it("continue with a gap after another server has replaced the first", async () => {
    const first = await startServer();
    const connection = open(first.url);
    const { channel, read } = join(connection);
    await read(1);
    const { epoch } = await channel.publish("before");
    await read(1);

    await first.drain();
    await first.close();
    const published = channel.publish("meanwhile");
    await startServer({ port: first.address.port });
    const [subscribed, gap] = await read(2);
    assert.match(subscribed ?? "", /^at \S+ 0$/);
    assert.equal(gap, `gap ${epoch} 2-`);
    const after = await published;
    assert.notEqual(after.epoch, epoch);
    assert.deepEqual(await read(1), [`${after.epoch} 1`]);
  });

  it("replace the connection before their token expires, without a loss, and report users", async function () {
    this.timeout(30_000);
    const key = await createKey("key");
    const { url } = await startServer({}, { authorize: authorizer((await startKeyServer(key)).url) });
    /** The server's `expiresIn` is 2 or 3 seconds, so the client renews the token after 1.5 to 2.7 seconds. */
    const token = (): Promise<string> => sign(key, { sub: "alice", exp: now() + 3 });
    const { opened, WebSocket: Recorded } = recordingWebSocket();
    const connection = open(url, { WebSocket: Recorded, token });
    const events = new EventLog(connection);
    const messages: Message<number>[] = [];
    connection.channel<number>(ROOM, { onMessage: (message) => messages.push(message) });
    await events.next("open");
    let published = 0;
    while (opened.length < 3 || connection.pending > 0) {
      await connection.publish(ROOM, (published += 1));
    }
    await connection.publish(ROOM, (published += 1));
    const barrier = join(connection, ROOM, { last: 1 });
    await barrier.read(1);
    await connection.publish(ROOM, (published += 1));
    await barrier.read(1);
    assert.equal(events.count("reconnecting"), 0);
    const last = messages.slice(-published);
    assert.deepEqual(
      last.map(({ value, from }) => [value, from]),
      last.map((_, index) => [published - last.length + index + 1, "alice"]),
    );
  });

  it("end only the channels that their token does not grant", async () => {
    const key = await createKey("key");
    const { url } = await startServer({}, { authorize: authorizer((await startKeyServer(key)).url) });
    const claims = { channels: undefined, subscribe: ["news", ROOM], publish: [ROOM] };
    const connection = open(url, { token: await sign(key, claims) });
    const [news, other] = [join(connection, "news"), join(connection, "other")];
    await news.read(1);
    assert.equal((await other.channel.closed)?.code, "forbidden");
    await assert.rejects(news.channel.publish("no right"), { name: "ClientError", code: "forbidden" });
    await connection.publish(ROOM, "a right");
  });

  it("end the channels beyond the server's limits, and keep the others", async () => {
    const { url } = await startServer({ channelsPerUser: 2 });
    const connection = open(url);
    const channels = ["a", "b", "c"].map((name) => join(connection, name));
    assert.equal((await channels[2]?.channel.closed)?.code, "too_many_channels");
    for (const { read } of channels.slice(0, 2)) await read(1);
  });

  it("subscribe to many channels, and again after a reconnect", async function () {
    this.timeout(30_000);
    const { url } = await startServer();
    const { opened, WebSocket: Recorded } = recordingWebSocket();
    const connection = open(url, { WebSocket: Recorded });
    const channels = Array.from({ length: 256 }, (_, index) => join(connection, `room.${index}`));
    for (const { read } of channels) await read(1);
    opened[0]?.close();
    for (const { read } of channels) await read(1);
    await Promise.all(channels.map(({ channel }) => channel.publish("after the reconnect")));
    for (const { read } of channels) assert.match((await read(1))[0] ?? "", /^\S+ 1$/);
  });

  it("subscribe again after they have left", async () => {
    const { url } = await startServer();
    const connection = open(url);
    for (let round = 1; round <= 10; round += 1) {
      const { channel, read } = join(connection, ROOM, { last: 1 });
      // The answer is pending in every second round.
      if (round % 2 === 0) await read(1);
      channel.leave();
    }
    const { channel, read } = join(connection);
    await read(1);
    const { epoch } = await channel.publish("last");
    assert.deepEqual(await read(1), [`${epoch} 1`]);
  });

  it("reject the message that is too large, and publish the others", async () => {
    const { url } = await startServer({ maxPayloadBytes: 1000 });
    const connection = open(url);
    const published = ["x".repeat(1200), "small", "x".repeat(5000), "smaller"].map((value) =>
      connection.publish(ROOM, value),
    );
    const results = await Promise.allSettled(published);
    assert.deepEqual(
      results.map((result) =>
        result.status === "fulfilled" ? "stored" : (result.reason as { readonly code: string }).code,
      ),
      ["too_large", "stored", "too_large", "stored"],
    );
  });

  it("stay connected when a burst exceeds the server's rate", async function () {
    this.timeout(30_000);
    const { url } = await startServer();
    const connection = open(url);
    const events = new EventLog(connection);
    // The server's default burst is lower.
    await Promise.all(Array.from({ length: 260 }, (_, value) => connection.publish(ROOM, value)));
    assert.equal(events.count("reconnecting"), 0);
  });
});
