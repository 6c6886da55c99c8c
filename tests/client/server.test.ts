import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { WebSocket } from "ws";

import { connect } from "../../client/src/index.ts";
import type { Channel, ConnectOptions, Delivery } from "../../client/src/index.ts";
import { run } from "../app/support/processes.ts";
import { startServer } from "../app/support/server.ts";
import { afterwards, tearDown } from "../app/support/teardown.ts";
import { untilState } from "./support/channel.ts";

/** Short waits between attempts. */
const SHORT_BACKOFF = { backoffBaseMs: 10, backoffCapMs: 50 };

function open(url: string, options: ConnectOptions = {}): Channel {
  const channel = connect(url, { ...SHORT_BACKOFF, ...options });
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

describe("clients of the server", () => {
  afterEach(tearDown);

  it("receive the same messages in the same order", async () => {
    const { url } = await startServer();
    const clients = [open(`${url}/room`), open(`${url}/room`), open(`${url}/another-room`)] as const;
    await Promise.all(clients.map((client) => untilState(client, "open")));
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
      if (channel.position.offset < offset) await new Promise((resolve) => channel.on("message", resolve));
      await channel.close();`;
    await writeFile(file, script + end);
    const { ended } = run(file, [], {});
    const { code, output, errors } = await ended;
    assert.deepEqual({ code, errors }, { code: 0, errors: "" });
    assert.equal(output, "open\n1 { text: 'Hello' }\nclosed");
  });

  it("receive each message once while connections are dropped", async function () {
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
      await Promise.all(channels.map((channel) => untilState(channel, "open")));
      for (let index = 0; index < perDrop; index += 1) published.push(writer.publish(published.length));
      // Some are read, some are in flight and some are not sent yet.
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

  it("continue with a gap after another server has replaced the first", async () => {
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

  it("reject the message that is too large, and publish the others", async () => {
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

  it("stay connected when a burst exceeds the server's rate", async function () {
    this.timeout(30_000);
    const { url } = await startServer();
    const channel = open(url);
    const losses: unknown[] = [];
    channel.on("state", (state) => {
      if (state.name === "waiting") losses.push(state);
    });
    // The server's default burst is lower.
    await Promise.all(Array.from({ length: 260 }, (_, value) => channel.publish(value)));
    assert.deepEqual(losses, []);
  });
});
