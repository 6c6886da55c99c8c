import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { WebSocket } from "ws";

import { connect, DEFAULT_LIMITS } from "../../client/src/index.ts";
import type { Channel, ConnectOptions, Delivery } from "../../client/src/index.ts";
import { afterwards, run, startServer, tearDown } from "../app/support.ts";
import { becomes } from "./support.ts";

/** Waits no longer than this between two attempts, in milliseconds. */
const SOON = { backoffBaseMs: 10, backoffCapMs: 50 };

function open(url: string, options: ConnectOptions = {}): Channel {
  const channel = connect(url, { ...SOON, ...options });
  afterwards(() => channel.close());
  return channel;
}

async function read(
  iterator: AsyncIterator<Delivery<unknown>, undefined>,
  count: number,
): Promise<readonly unknown[]> {
  const seen: unknown[] = [];
  while (seen.length < count) {
    const { value } = await iterator.next();
    assert.ok(value);
    seen.push(value.gap ?? value.message);
  }
  return seen;
}

describe("the client and the server", () => {
  afterEach(tearDown);

  it("agree on how long an upgrade may take", async function () {
    this.timeout(3 * DEFAULT_LIMITS.connectTimeoutMs);
    // Such as a server whose Valkey does not answer.
    const { url } = await startServer({}, { authorize: () => new Promise(() => undefined) });
    const channel = open(url, { WebSocket });
    const { reason } = await becomes(channel, "waiting", 2 * DEFAULT_LIMITS.connectTimeoutMs);
    assert.equal(reason, "Unexpected server response: 503");
  });

  it("tell everybody on a channel the same, in the same order", async () => {
    const { url } = await startServer();
    const clients = [open(`${url}/room`), open(`${url}/room`), open(`${url}/another-room`)] as const;
    await Promise.all(clients.map((client) => becomes(client, "open")));
    const iterators = clients.map((client) => client[Symbol.asyncIterator]());
    const places = await Promise.all([
      ...[1, 2, 3].map((value) => clients[0].publish({ value })),
      clients[1].publish(null),
      clients[2].publish("elsewhere"),
    ]);
    const [one, two, three] = await Promise.all(
      iterators.map((iterator, index) => read(iterator, index === 2 ? 1 : 4)),
    );
    assert.deepEqual(one, two);
    assert.deepEqual(three, ["elsewhere"]);
    places.slice(0, 3).forEach(({ offset }, index) => {
      assert.deepEqual(one?.[offset - 1], { value: index + 1 });
    });
  });

  it("do what the first example of the README shows", async () => {
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
    // Its end, when its own message is there.
    const end = `
      while (channel.position.offset < offset) await new Promise((resolve) => setTimeout(resolve, 10));
      await channel.close();`;
    await writeFile(file, script + end);
    const { ended } = run(file, [], {});
    const { code, output, errors } = await ended;
    assert.deepEqual({ code, errors }, { code: 0, errors: "" });
    assert.equal(output, "open\n1 { text: 'Hello' }\nclosed");
  });

  it("lose and double nothing when connections are dropped all the time", async function () {
    this.timeout(30_000);
    const { url } = await startServer();
    const opened: WebSocket[] = [];
    class Recorded extends WebSocket {
      constructor(address: string, protocols: string[]) {
        super(address, protocols);
        opened.push(this);
      }
    }
    const options = { WebSocket: Recorded, maxInFlight: 3 };
    const channels = [open(url, options), open(url, options)] as const;
    const [reader, writer] = channels;
    const iterator = reader[Symbol.asyncIterator]();
    const seen: unknown[] = [];
    const published: ReturnType<typeof writer.publish>[] = [];
    const drops = 8;
    const perDrop = 8;
    for (let drop = 1; drop <= drops; drop += 1) {
      await Promise.all(channels.map((channel) => becomes(channel, "open")));
      for (let index = 0; index < perDrop; index += 1) published.push(writer.publish(published.length));
      // Some are read, some are on their way and some are not sent yet.
      seen.push(...(await read(iterator, perDrop / 2)));
      const dropped = opened.splice(0);
      assert.equal(dropped.length, channels.length);
      const closed = dropped.map((webSocket) => once(webSocket, "close"));
      for (const webSocket of dropped) webSocket.close();
      await Promise.all(closed);
    }
    seen.push(...(await read(iterator, drops * perDrop - seen.length)));
    assert.deepEqual(
      seen,
      published.map((_, index) => index),
    );
    assert.deepEqual(
      (await Promise.all(published)).map(({ offset }) => offset),
      published.map((_, index) => index + 1),
    );
  });

  it("go on after the server has gone and another one has come, with a gap", async () => {
    const first = await startServer();
    const channel = open(first.url);
    const iterator = channel[Symbol.asyncIterator]();
    await channel.publish("before");
    await read(iterator, 1);
    const { epoch } = channel.position ?? {};

    await first.drain();
    await first.close();
    const published = channel.publish("meanwhile");
    await startServer({ port: first.address.port });
    assert.deepEqual(await read(iterator, 1), [{ epoch, from: 2 }]);
    await published;
    assert.notEqual(channel.position?.epoch, epoch);
  });

  it("say which message is too large, and keep the others", async () => {
    const { url } = await startServer({ maxPayloadBytes: 1000 });
    const channel = open(url);
    const published = ["x".repeat(1200), "small", "x".repeat(5000), "smaller"].map((value) =>
      channel.publish(value),
    );
    const results = await Promise.allSettled(published);
    assert.deepEqual(
      results.map((result) =>
        result.status === "fulfilled" ? "stored" : (result.reason as { readonly code: string }).code,
      ),
      ["too_large", "stored", "too_large", "stored"],
    );
  });

  it("stay together when more is published than the rate allows at once", async function () {
    this.timeout(30_000);
    const { url } = await startServer();
    const channel = open(url);
    const losses: unknown[] = [];
    channel.on("state", (state) => {
      if (state.name === "waiting") losses.push(state);
    });
    // More than the server's burst.
    await Promise.all(Array.from({ length: 260 }, (_, value) => channel.publish(value)));
    assert.deepEqual(losses, []);
  });
});
