import assert from "node:assert/strict";

import type { Delivery, Message } from "../../client/src/index.ts";
import { gapText, join, openGreeted, openSubscribed, retry, textOf } from "./support/connection.ts";
import { ROOM } from "./support/scriptedServer.ts";
import type { ServerConnection } from "./support/scriptedServer.ts";
import { tearDown } from "../app/support/teardown.ts";

/** Takes items of an iterator, as one text each. */
async function take(
  iterator: AsyncIterator<Delivery<unknown>, undefined>,
  count: number,
): Promise<readonly string[]> {
  const texts: string[] = [];
  while (texts.length < count) {
    const { value, done } = await iterator.next();
    assert.ok(done !== true);
    texts.push(value.gap === undefined ? textOf(value) : gapText(value.gap));
  }
  return texts;
}

describe("a client's messages", () => {
  afterEach(tearDown);

  it("have a value, a position, and the user who published it", async () => {
    const { connection, accepted } = await openGreeted();
    const messages: Message<string>[] = [];
    const { read } = join(connection);
    connection.channel<string>(ROOM, { onMessage: (message) => messages.push(message) });
    accepted.subscribed();
    accepted.send(
      { channel: ROOM, offset: 1, message: "hello", from: "alice" },
      { channel: ROOM, offset: 2, message: null, later: "keys of a later version" },
      { channel: "unknown", offset: 3, message: "not subscribed" },
      { news: true },
      { channel: ROOM, offset: 3, message: "end" },
    );
    await read(4);
    assert.deepEqual(messages, [
      { value: "hello", epoch: "e", offset: 1, from: "alice" },
      { value: null, epoch: "e", offset: 2 },
      { value: "end", epoch: "e", offset: 3 },
    ]);
  });

  it("arrive once, on one connection or the next", async () => {
    const opened = await openSubscribed({}, ["e", 3]);
    opened.accepted.deliver(4, 4, 5, 4, 6);
    assert.deepEqual(await opened.read(3), ["e 4", "e 5", "e 6"]);
    opened.accepted.terminate();
    await retry(opened);
    (await opened.server.accept()).greet().subscribed("e", 6).deliver(5, 6, 7);
    assert.deepEqual(await opened.read(2), ["at e 6", "e 7"]);
  });

  const GAPS: readonly (readonly [
    name: string,
    script: (accepted: ServerConnection) => unknown,
    texts: readonly string[],
  ])[] = [
    ["of a slow reader", (accepted) => accepted.gap("e", 8, 9).deliver(10), ["gap e 8-9", "e 10"]],
    ["with messages that it has", (accepted) => accepted.gap("e", 1, 9).deliver(10), ["gap e 8-9", "e 10"]],
    ["that it has completely", (accepted) => accepted.gap("e", 1, 7).deliver(8), ["e 8"]],
    ["without an end", (accepted) => accepted.gap("e", 8).deliver(12), ["gap e 8-", "gap e 8-11", "e 12"]],
    ["between offsets", (accepted) => accepted.deliver(10), ["gap e 8-9", "e 10"]],
    [
      "of a new epoch, once",
      (accepted) => accepted.subscribed("f", 2).gap("e", 8).deliver(3),
      ["at f 2", "gap e 8-", "f 3"],
    ],
    [
      "of a new epoch without the server's gap",
      (accepted) => accepted.subscribed("f", 2).deliver(3),
      ["at f 2", "gap e 8-", "f 3"],
    ],
    [
      "of two new epochs",
      (accepted) => accepted.subscribed("f", 0).gap("e", 8).deliver(1).subscribed("g", 0).gap("f", 2),
      ["at f 0", "gap e 8-", "f 1", "at g 0", "gap f 2-"],
    ],
    [
      "of a log that lost messages, whose offsets return",
      (accepted) => accepted.subscribed("e", 1).gap("e", 2).deliver(2, 3),
      ["at e 1", "gap e 2-", "e 2", "e 3"],
    ],
    [
      "of dropped messages, once",
      (accepted) => accepted.subscribed("e", 9).gap("e", 8, 9).deliver(10),
      ["at e 9", "gap e 8-9", "e 10"],
    ],
  ];

  for (const [name, script, texts] of GAPS) {
    it(`include a gap ${name}`, async () => {
      const { read, accepted } = await openSubscribed({}, ["e", 7]);
      script(accepted);
      assert.deepEqual(await read(texts.length), texts);
    });

    it(`include a gap ${name}, after a reconnect`, async () => {
      const opened = await openSubscribed({}, ["e", 7]);
      opened.accepted.terminate();
      await retry(opened);
      const next = (await opened.server.accept()).greet();
      assert.deepEqual(await next.nextRequest(), { subscribe: ROOM, epoch: "e", offset: 7 });
      const resumes = texts[0]?.startsWith("at") !== true;
      if (resumes) next.subscribed("e", 7);
      script(next);
      assert.deepEqual(await opened.read(texts.length + Number(resumes)), [
        ...(resumes ? ["at e 7"] : []),
        ...texts,
      ]);
    });
  }

  it("continue after a callback throws, whose error is reported as uncaught", async () => {
    const { connection, accepted, read } = await openSubscribed();
    const uncaught: unknown[] = [];
    // The listeners of Mocha would fail the test.
    const own = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", (error) => uncaught.push(error));
    try {
      const fail = (): never => {
        throw new Error("an application error");
      };
      const broken = { onMessage: fail, onGap: fail, onSubscribed: fail };
      connection.channel(ROOM, broken);
      const { read: readAfter } = join(connection);
      accepted.deliver(1).gap("e", 2, 3).deliver(4);
      const texts = ["e 1", "gap e 2-3", "e 4"];
      assert.deepEqual([await read(3), (await readAfter(4)).slice(1)], [texts, texts]);
    } finally {
      process.removeAllListeners("uncaughtException");
      for (const listener of own) process.on("uncaughtException", listener);
    }
    assert.deepEqual(
      uncaught.map((error) => (error as Error).message),
      Array.from({ length: 4 }, () => "an application error"),
    );
  });

  it("do not reach channels that leave during a callback, and no channels that join during it", async () => {
    const { connection, accepted } = await openGreeted();
    const texts: string[] = [];
    const first = connection.channel(ROOM, {
      onMessage: ({ offset }) => {
        texts.push(`first ${offset}`);
        if (offset > 1) return;
        second.leave();
        connection.channel(ROOM, { onMessage: (message) => texts.push(`third ${message.offset}`) });
      },
    });
    const second = connection.channel(ROOM, { onMessage: ({ offset }) => texts.push(`second ${offset}`) });
    const barrier = join(connection, "barrier");
    accepted.subscribed().deliver(1, 2).subscribed("e", 0, "barrier");
    await barrier.read(1);
    assert.deepEqual(texts, ["first 1", "first 2", "third 2"]);
    first.leave();
  });

  it("end when a callback closes the connection", async () => {
    for (const frames of [1, 3]) {
      const { connection, accepted } = await openGreeted();
      const { read } = join(connection, ROOM, { onMessage: () => void connection.close() });
      accepted.subscribed().deliver(...Array.from({ length: frames }, (_, index) => index + 1));
      await read(1);
      assert.equal(await accepted.closed, 1000);
      assert.equal(connection.state, "closed");
    }
  });
});

describe("an iterator over a channel", () => {
  afterEach(tearDown);

  it("begins with the first message, if the channel has no callback for messages", async () => {
    const { connection, accepted } = await openGreeted();
    const channel = connection.channel<string>(ROOM, { last: 2 });
    accepted.subscribed("e", 4).deliver(5, 6);
    const barrier = join(connection, "barrier");
    accepted.subscribed("e", 0, "barrier");
    await barrier.read(1);
    const seen: unknown[] = [];
    for await (const { value, offset, gap } of channel) {
      assert.equal(gap, undefined);
      seen.push([value, offset]);
      if (offset === 6) break;
    }
    assert.deepEqual(seen, [
      ["message 5", 5],
      ["message 6", 6],
    ]);
    // A further one begins with the next message.
    const next = channel[Symbol.asyncIterator]();
    accepted.deliver(7);
    assert.deepEqual(await take(next, 1), ["e 7"]);
  });

  it("begins with the next message, if the channel has a callback for messages", async () => {
    const { accepted, channel, read } = await openSubscribed();
    accepted.deliver(1);
    await read(1);
    const [one, other] = [channel[Symbol.asyncIterator](), channel[Symbol.asyncIterator]()];
    accepted.deliver(2).gap("e", 3, 4).deliver(5);
    const texts = ["e 2", "gap e 3-4", "e 5"];
    assert.deepEqual([await take(one, 3), await take(other, 3)], [texts, texts]);
  });

  it("yields a gap for the messages beyond its buffer", async () => {
    const { accepted, channel, read } = await openSubscribed({ maxBufferMessages: 3 });
    const slow = channel[Symbol.asyncIterator]();
    accepted.deliver(1, 2, 3, 4, 5, 6);
    await read(6);
    // The gap grows until the reader takes it.
    assert.deepEqual(await take(slow, 3), ["e 1", "e 2", "e 3"]);
    accepted.deliver(7);
    await read(1);
    assert.deepEqual(await take(slow, 1), ["gap e 4-7"]);
    accepted.deliver(8, 9);
    assert.deepEqual(await take(slow, 2), ["e 8", "e 9"]);
    // The server's gap and another epoch stay separate.
    accepted.deliver(10, 11, 12, 13).subscribed("f", 0).gap("e", 14).deliver(1, 2);
    await read(10);
    assert.deepEqual(await take(slow, 6), ["e 10", "e 11", "e 12", "gap e 13-13", "gap e 14-", "gap f 1-2"]);
  });

  it("buffers up to a number of characters, and at least one message", async () => {
    const { accepted, channel, read } = await openSubscribed({ maxBufferCharacters: 200 });
    const slow = channel[Symbol.asyncIterator]();
    const text = "x".repeat(50);
    accepted.send(...[1, 2, 3].map((offset) => ({ channel: ROOM, offset, message: text })));
    await read(3);
    assert.deepEqual(await take(slow, 3), ["e 1", "e 2", "gap e 3-3"]);
    accepted.send({ channel: ROOM, offset: 4, message: text.repeat(4) });
    await read(1);
    assert.deepEqual(await take(slow, 1), ["e 4"]);
  });

  it("ends with the channel, after the buffered messages", async () => {
    for (const end of ["leave", "close"] as const) {
      const { connection, accepted, channel, read } = await openSubscribed();
      const [one, other] = [channel[Symbol.asyncIterator](), channel[Symbol.asyncIterator]()];
      accepted.deliver(1, 2);
      await read(2);
      await take(one, 2);
      const waiting = [one.next(), one.next()];
      if (end === "leave") channel.leave();
      else await connection.close();
      assert.deepEqual(
        (await Promise.all(waiting)).map(({ done }) => done),
        [true, true],
      );
      assert.deepEqual(await take(other, 2), ["e 1", "e 2"]);
      assert.equal((await other.next()).done, true);
      assert.equal((await channel[Symbol.asyncIterator]().next()).done, true);
      assert.equal(await channel.closed, undefined);
    }
  });

  it("ends when the reader returns during a wait, and the channel continues", async () => {
    const { accepted, channel, read } = await openSubscribed();
    const iterator = channel[Symbol.asyncIterator]();
    const waiting = iterator.next();
    await iterator.return?.();
    assert.equal((await waiting).done, true);
    accepted.deliver(1);
    assert.deepEqual(await read(1), ["e 1"]);
    assert.equal((await iterator.next()).done, true);
  });
});
