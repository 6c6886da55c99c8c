import assert from "node:assert/strict";

import type { Channel, Delivery, Gap } from "../../client/src/index.ts";
import { open, retry, untilState } from "./support/channel.ts";
import { startServer } from "./support/scriptedServer.ts";
import { tearDown } from "../app/support/teardown.ts";

/** Reads messages and gaps, as one text each. */
async function read(
  iterator: AsyncIterator<Delivery<unknown>, undefined>,
  count: number,
): Promise<readonly string[]> {
  const seen: string[] = [];
  while (seen.length < count) {
    const { value, done } = await iterator.next();
    assert.ok(done !== true);
    seen.push(value.gap === undefined ? `${value.epoch} ${value.offset}` : textOf(value.gap));
  }
  return seen;
}

function textOf({ epoch, from, to }: Gap): string {
  return `gap ${epoch} ${from}-${to ?? ""}`;
}

/** Resolves with the message that has this offset. */
function arrival(channel: Channel, wanted: number): Promise<void> {
  return new Promise((resolve) => {
    const stop = channel.on("message", ({ offset }) => {
      if (offset !== wanted) return;
      stop();
      resolve();
    });
  });
}

describe("a client's messages", () => {
  afterEach(tearDown);

  it("reach listeners and each iterator", async () => {
    const server = await startServer();
    const { channel } = open<string>(server.url);
    const events: unknown[] = [];
    channel.on("message", (event) => events.push(event));
    const other = channel[Symbol.asyncIterator]();
    const accepted = (await server.accept()).greet().deliver(1, 2);

    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const { message, offset } of channel) {
        seen.push({ message, offset });
        if (offset === 4) break;
      }
    })();
    await read(other, 2);
    accepted.deliver(3, 4, 5);
    await reading;
    assert.deepEqual(await read(other, 3), ["e 3", "e 4", "e 5"]);
    const expected = [1, 2, 3, 4, 5].map((offset) => ({ message: `message ${offset}`, offset }));
    assert.deepEqual(seen, expected.slice(0, 4));
    assert.deepEqual(
      events,
      expected.map((event) => ({ ...event, epoch: "e" })),
    );
  });

  it("arrive once, on one connection or the next", async () => {
    const server = await startServer();
    const opened = open(server.url);
    const iterator = opened.channel[Symbol.asyncIterator]();
    const first = (await server.accept()).greet("e", 3).deliver(4, 4, 5, 4, 6);
    assert.deepEqual(await read(iterator, 3), ["e 4", "e 5", "e 6"]);
    first.terminate();
    await retry(opened);
    (await server.accept()).greet("e", 6).deliver(5, 6, 7);
    assert.deepEqual(await read(iterator, 1), ["e 7"]);
    assert.deepEqual(opened.channel.position, { epoch: "e", offset: 7 });
  });

  it("include the server's gap at its position", async () => {
    const server = await startServer();
    const opened = open(server.url);
    const events: string[] = [];
    opened.channel.on("message", ({ epoch, offset }) => events.push(`${epoch} ${offset}`));
    opened.channel.on("gap", (gap) => events.push(textOf(gap)));
    const iterator = opened.channel[Symbol.asyncIterator]();
    const first = (await server.accept()).greet().deliver(1, 2);
    await read(iterator, 2);
    first.terminate();
    await retry(opened);
    const second = (await server.accept()).greet("e", 9).send({ gap: { epoch: "e", from: 3, to: 9 } });
    second.deliver(10);
    // The epoch changes on the same connection.
    second
      .greet("f", 0)
      .send({ gap: { epoch: "e", from: 11 } })
      .deliver(1);
    const expected = ["gap e 3-9", "e 10", "gap e 11-", "f 1"];
    assert.deepEqual(await read(iterator, 4), expected);
    assert.deepEqual(events, ["e 1", "e 2", ...expected]);
    assert.deepEqual(opened.channel.position, { epoch: "f", offset: 1 });
  });

  it("resume in the new epoch after a gap, even without a message", async () => {
    const server = await startServer();
    const opened = open(server.url, { from: { epoch: "old", offset: 41 } });
    const iterator = opened.channel[Symbol.asyncIterator]();
    const first = (await server.accept()).greet("new", 7).send({ gap: { epoch: "old", from: 42 } });
    assert.deepEqual(await read(iterator, 1), ["gap old 42-"]);
    first.terminate();
    await retry(opened);
    assert.deepEqual((await server.accept()).resumePoint, { epoch: "new", offset: "7" });
  });

  it("continue at the end of a log that lost messages", async () => {
    const server = await startServer();
    const opened = open(server.url, { from: { epoch: "e", offset: 50 } });
    const iterator = opened.channel[Symbol.asyncIterator]();
    const accepted = (await server.accept()).greet("e", 1);
    accepted.send({ gap: { epoch: "e", from: 2 } }).deliver(2, 3);
    assert.deepEqual(await read(iterator, 3), ["gap e 2-", "e 2", "e 3"]);
    assert.deepEqual(opened.channel.position, { epoch: "e", offset: 3 });
    // The same happens without the server's gap.
    accepted.greet("e", 2).deliver(3);
    assert.deepEqual(await read(iterator, 2), ["gap e 3-", "e 3"]);
  });

  for (const [source, epoch, frames] of [
    ["of the server", "old", [{ gap: { epoch: "old", from: 8 } }, { message: 8, offset: 8 }]],
    ["before a message", "old", [{ message: 8, offset: 8 }]],
    ["between offsets", "new", [{ message: 9, offset: 9 }]],
    ["before a greeting", "old", [{ connection: "ok", epoch: "newest", offset: 0, heartbeat: 30 }]],
  ] as const) {
    it(`end when a listener closes the channel at a gap ${source}`, async () => {
      const server = await startServer();
      const { channel } = open(server.url, { from: { epoch, offset: 7 } });
      const seen: string[] = [];
      channel.on("message", ({ offset }) => seen.push(`message ${offset}`));
      channel.on("state", ({ name }) => seen.push(name));
      channel.on("gap", () => {
        seen.push("gap");
        void channel.close();
      });
      const accepted = (await server.accept()).greet("new", 7).send(...frames);
      await accepted.closed;
      assert.deepEqual(seen, ["open", "gap", "closed"]);
    });
  }

  it("include a gap that the server did not report", async () => {
    const server = await startServer();
    const opened = open(server.url, { from: { epoch: "e", offset: 1 } });
    const iterator = opened.channel[Symbol.asyncIterator]();
    // From a greeting in the same epoch and in another, from a message, and from a connection that ends early.
    const first = (await server.accept())
      .greet("e", 3)
      .deliver(4, 7)
      .greet("f", 2)
      .deliver(3)
      .greet("f", 5)
      .greet("g", 9)
      .greet("g", 10);
    assert.deepEqual(await read(iterator, 6), ["gap e 2-3", "e 4", "gap e 5-6", "e 7", "gap e 8-", "f 3"]);
    assert.deepEqual(await read(iterator, 2), ["gap f 4-5", "gap f 6-"]);
    first.terminate();
    assert.deepEqual(await read(iterator, 1), ["gap g 10-10"]);
    await retry(opened);
    assert.deepEqual((await server.accept()).resumePoint, { epoch: "g", offset: "10" });
  });

  it("become a gap beyond the buffer of a slow reader", async () => {
    const server = await startServer();
    const { channel } = open(server.url, { maxBufferMessages: 3 });
    const slow = channel[Symbol.asyncIterator]();
    const six = arrival(channel, 6);
    const accepted = (await server.accept()).greet().deliver(1, 2, 3, 4, 5, 6);
    await six;
    // The gap grows until the reader takes it.
    assert.deepEqual(await read(slow, 3), ["e 1", "e 2", "e 3"]);
    const seven = arrival(channel, 7);
    accepted.deliver(7);
    await seven;
    assert.deepEqual(await read(slow, 1), ["gap e 4-7"]);
    accepted.deliver(8, 9);
    assert.deepEqual(await read(slow, 2), ["e 8", "e 9"]);
    // The server's gap and another epoch stay separate.
    const two = arrival(channel, 2);
    accepted
      .deliver(10, 11, 12, 13)
      .greet("f", 0)
      .send({ gap: { epoch: "e", from: 14 } })
      .deliver(1, 2);
    await two;
    assert.deepEqual(await read(slow, 6), ["e 10", "e 11", "e 12", "gap e 13-13", "gap e 14-", "gap f 1-2"]);
  });

  it("are buffered up to a number of characters, and at least one of them", async () => {
    const server = await startServer();
    const { channel } = open(server.url, { maxBufferCharacters: 200 });
    const slow = channel[Symbol.asyncIterator]();
    const text = "x".repeat(60);
    const three = arrival(channel, 3);
    const accepted = (await server.accept()).greet();
    accepted.send(...[1, 2, 3].map((offset) => ({ message: text, offset })));
    await three;
    assert.deepEqual(await read(slow, 3), ["e 1", "e 2", "gap e 3-3"]);
    const four = arrival(channel, 4);
    accepted.send({ message: text.repeat(4), offset: 4 });
    await four;
    assert.deepEqual(await read(slow, 1), ["e 4"]);
    const six = arrival(channel, 6);
    accepted.send(...[5, 6].map((offset) => ({ message: text, offset })));
    await six;
    assert.deepEqual(await read(slow, 2), ["e 5", "e 6"]);
  });

  it("end with close(), after the buffered ones", async () => {
    const server = await startServer();
    const { channel } = open(server.url);
    const [one, other] = [channel[Symbol.asyncIterator](), channel[Symbol.asyncIterator]()];
    (await server.accept()).greet().deliver(1, 2);
    await read(one, 2);
    const waiting = [one.next(), one.next()];
    await channel.close();
    assert.deepEqual(
      (await Promise.all(waiting)).map(({ done }) => done),
      [true, true],
    );
    assert.deepEqual(await read(other, 2), ["e 1", "e 2"]);
    assert.equal((await other.next()).done, true);
    assert.equal((await channel[Symbol.asyncIterator]().next()).done, true);
  });

  it("end when the reader returns during a wait", async () => {
    const server = await startServer();
    const { channel } = open(server.url);
    const iterator = channel[Symbol.asyncIterator]();
    const waiting = iterator.next();
    await iterator.return?.();
    assert.equal((await waiting).done, true);
    const other = channel[Symbol.asyncIterator]();
    (await server.accept()).greet().deliver(1);
    await read(other, 1);
    assert.equal((await iterator.next()).done, true);
    await untilState(channel, "open");
  });
});
