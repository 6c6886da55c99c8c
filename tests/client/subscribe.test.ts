import assert from "node:assert/strict";

import { join, open, openGreeted, openSubscribed, retry } from "./support/connection.ts";
import { ROOM, startServer } from "./support/scriptedServer.ts";
import type { ClientFrame } from "./support/scriptedServer.ts";
import { tearDown } from "../app/support/teardown.ts";

describe("a client's subscriptions", () => {
  afterEach(tearDown);

  it("begin with the next message, with the last ones, or after a position", async () => {
    const { connection, accepted } = await openGreeted();
    const position = { epoch: "e", offset: 7, value: "other keys are not sent" };
    const names = ["next", "last", "after", "/"];
    const channels = [
      join(connection, "next"),
      join(connection, "last", { last: 50 }),
      join(connection, "after", { after: position, last: 50 }),
      join(connection, "/"),
    ];
    assert.deepEqual(await accepted.nextRequests(4), [
      { subscribe: "next" },
      { subscribe: "last", last: 50 },
      { subscribe: "after", epoch: "e", offset: 7 },
      { subscribe: "/" },
    ]);
    for (const [index, name] of names.entries()) accepted.subscribed("e", 7, name).deliverTo(name, 8 + index);
    const read = await Promise.all(channels.map((channel) => channel.read(2)));
    assert.deepEqual(read[0], ["at e 7", "e 8"]);
    // The other ones miss messages.
    assert.deepEqual(read[1], ["at e 7", "gap e 8-8"]);
    assert.deepEqual(channels[0]?.channel.position, { epoch: "e", offset: 8 });
  });

  it("are requested again after a reconnect, each at its position", async () => {
    const opened = await openSubscribed();
    const { connection, server, accepted, read } = opened;
    const other = join(connection, "other", { last: 3 });
    await accepted.nextRequest();
    accepted.deliver(1, 2);
    await read(2);
    accepted.terminate();
    await retry(opened);
    const late = join(connection);
    const next = (await server.accept()).greet();
    assert.deepEqual(await next.nextRequests(2), [
      { subscribe: ROOM, epoch: "e", offset: 2 },
      // The first connection was lost before the answer.
      { subscribe: "other", last: 3 },
    ]);
    next.subscribed("e", 2).deliver(2, 3).subscribed("f", 9, "other");
    assert.deepEqual(await read(2), ["at e 2", "e 3"]);
    assert.deepEqual(await late.read(2), ["at e 2", "e 3"]);
    assert.deepEqual(await other.read(1), ["at f 9"]);
  });

  it("are requested before the publishes, so that the application receives what it publishes", async () => {
    const server = await startServer();
    const opened = open(server.url);
    void opened.connection.publish("other", "early");
    void join(opened.connection).channel.publish("second");
    for (const position of [{}, { epoch: "e", offset: 3 }]) {
      const accepted = await server.accept();
      const frames: ClientFrame[] = [];
      accepted.onFrame((frame) => frames.push(frame));
      accepted.greet();
      await accepted.nextPublishes(2);
      const [subscribe, ...publishes] = frames;
      assert.deepEqual(subscribe, { subscribe: ROOM, ...position });
      assert.deepEqual(
        publishes.map((frame) => "publish" in frame && frame.publish),
        ["early", "second"],
      );
      accepted.subscribed("e", 3).terminate();
      await retry(opened);
    }
  });

  it("are shared by all channels of a name, which leave one by one", async () => {
    const { connection, accepted, channel, read } = await openSubscribed();
    const second = join(connection);
    // It begins with the next message.
    assert.deepEqual(await second.read(1), ["at e 0"]);
    accepted.deliver(1);
    assert.deepEqual([await read(1), await second.read(1)], [["e 1"], ["e 1"]]);
    channel.leave();
    assert.equal(await channel.closed, undefined);
    await assert.rejects(channel.publish("after the end"), { name: "ClientError", code: "closed" });
    accepted.deliver(2);
    assert.deepEqual(await second.read(1), ["e 2"]);
    assert.equal(await accepted.countFrames(), 0);
    second.channel.leave();
    second.channel.leave();
    assert.deepEqual(await accepted.nextRequest(), { unsubscribe: ROOM });
    // A channel that leaves twice does not end another one.
    const third = join(connection);
    channel.leave();
    accepted.deliver(3).send({ unsubscribed: ROOM });
    assert.deepEqual(await accepted.nextRequest(), { subscribe: ROOM });
    accepted.subscribed("e", 5).deliver(6);
    assert.deepEqual(await third.read(2), ["at e 5", "e 6"]);
    assert.equal(await accepted.countFrames(), 0);
  });

  it("have one request at a time, if the application joins and leaves repeatedly", async () => {
    const { connection, accepted } = await openGreeted();
    const first = join(connection);
    assert.deepEqual(await accepted.nextRequest(), { subscribe: ROOM });
    first.channel.leave();
    const second = join(connection, ROOM, { last: 2 });
    assert.equal(await accepted.countFrames(), 0);
    accepted.subscribed("e", 3).deliver(4);
    assert.deepEqual(await accepted.nextRequest(), { unsubscribe: ROOM });
    accepted.send({ unsubscribed: ROOM });
    assert.deepEqual(await accepted.nextRequest(), { subscribe: ROOM, last: 2 });
    accepted.subscribed("e", 2).deliver(3, 4);
    assert.deepEqual(await second.read(3), ["at e 2", "e 3", "e 4"]);
    assert.equal(first.unread, 0);
  });

  it("are not requested if the application leaves before the connection is open", async () => {
    const server = await startServer();
    const { connection } = open(server.url);
    join(connection).channel.leave();
    join(connection, "other");
    const accepted = (await server.accept()).greet();
    assert.deepEqual(await accepted.nextRequest(), { subscribe: "other" });
    assert.equal(await accepted.countFrames(), 0);
  });

  it("are paced within the server's budget", async () => {
    const { connection, clock, accepted } = await openGreeted();
    for (let count = 0; count < 300; count++) join(connection, `room.${count}`);
    await accepted.nextRequests(256);
    assert.equal(await accepted.countFrames(), 0);
    // The server refills its 256 in 30 seconds.
    clock.advance(1000);
    assert.equal(await accepted.countFrames(), 8);
    clock.advance(5000);
    assert.equal(await accepted.countFrames(), 44);
  });

  for (const code of ["rate_limited", "unavailable"]) {
    it(`are requested again after ${code}, later after each rejection`, async () => {
      const { connection, clock, accepted } = await openGreeted();
      const { read } = join(connection);
      for (const wait of [1000, 2000, 4000]) {
        await accepted.nextRequest();
        accepted.rejectSubscribe(code);
        await accepted.countFrames();
        clock.advance(wait - 1);
        assert.equal(await accepted.countFrames(), 0);
        clock.advance(1);
      }
      assert.deepEqual(await accepted.nextRequest(), { subscribe: ROOM });
      accepted.subscribed("e", 1);
      assert.deepEqual(await read(1), ["at e 1"]);
      assert.equal(connection.state, "open");
    });
  }

  it("wait for the server's budget after rate_limited", async () => {
    const { connection, clock, accepted } = await openGreeted();
    join(connection);
    await accepted.nextRequest();
    accepted.rejectSubscribe("rate_limited");
    await accepted.countFrames();
    join(connection, "other");
    clock.advance(100);
    assert.equal(await accepted.countFrames(), 0);
    // One of 256 in 30 seconds.
    clock.advance(18);
    assert.deepEqual(await accepted.nextRequest(), { subscribe: "other" });
  });

  it("are not requested again after a rejection if the application has left", async () => {
    const { connection, clock, accepted } = await openGreeted();
    const { channel } = join(connection);
    await accepted.nextRequest();
    accepted.rejectSubscribe("unavailable");
    await accepted.countFrames();
    channel.leave();
    clock.advance(10_000);
    assert.equal(await accepted.countFrames(), 0);
    join(connection, ROOM, { last: 1 });
    assert.deepEqual(await accepted.nextRequest(), { subscribe: ROOM, last: 1 });
  });

  for (const code of ["forbidden", "too_many_channels", "too_many_subscriptions", "invalid_channel", "new"]) {
    it(`end after ${code}, and the connection stays open`, async () => {
      const { connection, accepted, read } = await openSubscribed();
      const rejected = connection.channel("rejected");
      await accepted.nextRequest();
      const reading = rejected[Symbol.asyncIterator]().next();
      accepted.rejectSubscribe(code, "rejected").deliver(1);
      await assert.rejects(reading, { name: "ClientError", code, message: "No." });
      assert.equal((await rejected.closed)?.code, code);
      await assert.rejects(rejected[Symbol.asyncIterator]().next(), { code });
      assert.deepEqual(await read(1), ["e 1"]);
      // A later attempt is a new subscription.
      const again = join(connection, "rejected");
      assert.deepEqual(await accepted.nextRequest(), { subscribe: "rejected" });
      accepted.subscribed("e", 1, "rejected");
      assert.deepEqual(await again.read(1), ["at e 1"]);
    });
  }

  it("repeat an unsubscribe that the server rejects", async () => {
    const { clock, accepted, channel } = await openSubscribed();
    channel.leave();
    await accepted.nextRequest();
    accepted.rejectSubscribe("rate_limited");
    assert.equal(await accepted.countFrames(), 0);
    clock.advance(1000);
    assert.deepEqual(await accepted.nextRequest(), { unsubscribe: ROOM });
  });

  it("are requested again if the server ends them", async () => {
    const { accepted, read } = await openSubscribed();
    accepted.deliver(1).send({ unsubscribed: ROOM });
    assert.deepEqual(await accepted.nextRequest(), { subscribe: ROOM, epoch: "e", offset: 1 });
    accepted.subscribed("e", 1).deliver(2);
    assert.deepEqual(await read(3), ["e 1", "at e 1", "e 2"]);
  });

  it("replace a connection on which the server does not answer", async () => {
    const { connection, clock, events, accepted } = await openGreeted({ answerTimeoutMs: 500 });
    join(connection);
    await accepted.nextRequest();
    // The first time, the socket may have sent what it had buffered.
    clock.advance(1000);
    assert.equal((await events.next("reconnecting")).reason, "no answer within 500 ms");
  });

  it("reject names that the server does not accept, and invalid values of `last`", async () => {
    const { connection } = await openGreeted();
    for (const name of ["", ".", "..", "a/b", "ä", "a b", "x".repeat(65)]) {
      assert.throws(() => connection.channel(name), { name: "ClientError", code: "invalid_channel" });
      await assert.rejects(connection.publish(name, 1), { code: "invalid_channel" });
    }
    for (const last of [0, 1001, 1.5, NaN]) {
      assert.throws(() => connection.channel(ROOM, { last }), {
        name: "RangeError",
        message: `\`last\`: got ${last}; expected an integer from 1 to 1000.`,
      });
    }
  });
});
