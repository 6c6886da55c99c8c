import assert from "node:assert/strict";
import { getEventListeners } from "node:events";

import { open, becomes, retry, startServer, tearDown } from "./support.ts";
import type { Accepted, Opened, ScriptedServer } from "./support.ts";

async function openGreeted(
  server: ScriptedServer,
  options: Parameters<typeof open>[1] = {},
): Promise<Opened<unknown> & { readonly accepted: Accepted }> {
  const opened = open(server.url, options);
  const accepted = (await server.accept()).greet();
  await becomes(opened.channel, "open");
  return { ...opened, accepted };
}

describe("the client's publishes", () => {
  afterEach(tearDown);

  it("resolve with their place when they are acknowledged", async () => {
    const { channel, accepted } = await openGreeted(await startServer());
    const published = channel.publish({ text: "Hello" });
    assert.equal(channel.pending, 1);
    const frame = await accepted.next();
    assert.deepEqual(Object.keys(frame), ["publish", "id"]);
    assert.deepEqual(frame.publish, { text: "Hello" });
    assert.match(frame.id, /^[0-9a-f]{32}-1$/);
    accepted.ack(frame, 5);
    assert.deepEqual(await published, { epoch: "e", offset: 5 });
    assert.equal(channel.pending, 0);
  });

  it("resolve with the epoch that the acknowledgement tells", async () => {
    const { channel, accepted } = await openGreeted(await startServer());
    const published = channel.publish("one");
    const frame = await accepted.next();
    // Stored in the one, acknowledged when the other has begun.
    accepted.greet("f", 0).ack(frame, 501, "e");
    assert.deepEqual(await published, { epoch: "e", offset: 501 });
  });

  it("take ids that no other channel takes", async () => {
    const server = await startServer();
    const ids = new Set<string>();
    for (let count = 0; count < 3; count++) {
      const { channel, accepted } = await openGreeted(server);
      const published = [channel.publish(1), channel.publish(1)];
      for (const frame of await accepted.take(2)) {
        ids.add(frame.id);
        accepted.ack(frame, 1);
      }
      await Promise.all(published);
    }
    assert.equal(ids.size, 6);
  });

  it("wait for the first connection, and take the value as it was", async () => {
    const server = await startServer();
    const { channel } = open(server.url);
    const value = { count: 1 };
    const published = channel.publish(value);
    value.count = 2;
    const accepted = await server.accept();
    accepted.greet();
    const frame = await accepted.next();
    assert.deepEqual(frame.publish, { count: 1 });
    accepted.ack(frame, 1);
    await published;
  });

  it("go out again with their ids, in order, until they are acknowledged", async () => {
    const server = await startServer();
    const { channel, clock, accepted } = await openGreeted(server);
    const published = ["one", "two", "three"].map((value) => channel.publish(value));
    const first = await accepted.take(3);
    const [one] = first;
    assert.ok(one);
    accepted.ack(one, 1);
    await published[0];
    accepted.terminate();
    await becomes(channel, "waiting");
    const four = channel.publish("four");
    await retry({ channel, clock });

    const second = (await server.accept()).greet("e", 0);
    const again = await second.take(3);
    assert.deepEqual(again.slice(0, 2), first.slice(1));
    assert.equal(again[2]?.publish, "four");
    again.forEach((frame, index) => second.ack(frame, index + 2));
    const places = await Promise.all([...published, four]);
    assert.deepEqual(
      places.map(({ offset }) => offset),
      [1, 2, 3, 4],
    );
  });

  it("go out again after a greeting on the same connection, and take one answer of two", async () => {
    const { channel, accepted } = await openGreeted(await startServer());
    const published = channel.publish("one");
    const first = await accepted.next();
    accepted.greet("f", 0);
    const again = await accepted.next();
    assert.deepEqual(again, first);
    accepted.ack(first, 4).ack(again, 4);
    assert.deepEqual(await published, { epoch: "f", offset: 4 });
    const barrier = channel.publish("two");
    accepted.ack(await accepted.next(), 5);
    await barrier;
  });

  it("are tried again after unavailable, later, before those that follow", async () => {
    const { channel, clock, accepted } = await openGreeted(await startServer(), { maxInFlight: 1 });
    const published = [channel.publish("one"), channel.publish("two")];
    const one = await accepted.next();
    const settled: string[] = [];
    void published[0]?.then(() => settled.push("one"));
    const read = channel[Symbol.asyncIterator]();
    accepted.refuse(one, "unavailable").deliver(1);
    await read.next();
    clock.advance(1999);
    assert.equal(await accepted.untaken(), 0);
    clock.advance(1);
    assert.deepEqual(await accepted.next(), one);
    accepted.ack(one, 2);
    const two = await accepted.next();
    assert.deepEqual(settled, ["one"]);
    assert.equal(two.publish, "two");
    accepted.ack(two, 3);
    await Promise.all(published);
  });

  it("are tried at once on the next connection, where the server that goes away said unavailable", async () => {
    const server = await startServer();
    const { channel, clock, accepted } = await openGreeted(server);
    const published = channel.publish("one");
    const frame = await accepted.next();
    accepted.refuse(frame, "unavailable").close(1001);
    await retry({ channel, clock });
    const next = (await server.accept()).greet();
    assert.deepEqual(await next.next(), frame);
    next.ack(frame, 1);
    await published;
  });

  it("reject with any other error of the server, each alone", async () => {
    const { channel, accepted } = await openGreeted(await startServer());
    for (const code of ["too_large", "id_in_use"]) {
      const [bad, good] = [channel.publish("bad"), channel.publish("good")];
      const [badFrame, goodFrame] = await accepted.take(2);
      assert.ok(badFrame && goodFrame);
      accepted.refuse(badFrame, code).ack(goodFrame, 1);
      await assert.rejects(bad, { name: "ChannelError", code, message: "No." });
      await good;
    }
  });

  it("reject the largest one under way after 1009, and send the others again", async () => {
    const server = await startServer();
    const { channel, clock, accepted } = await openGreeted(server);
    const large = channel.publish("x".repeat(1000));
    const small = channel.publish("small");
    await accepted.take(2);
    accepted.close(1009);
    await assert.rejects(large, { code: "too_large" });
    await retry({ channel, clock });
    const next = (await server.accept()).greet();
    const frame = await next.next();
    assert.equal(frame.publish, "small");
    next.ack(frame, 1);
    await small;
  });

  it("reject beyond the bounds of the queue, by number and by bytes", async () => {
    const { channel, accepted } = await openGreeted(await startServer(), {
      maxQueueMessages: 2,
      maxQueueBytes: 400,
    });
    await assert.rejects(channel.publish("ü".repeat(200)), { name: "ChannelError", code: "too_large" });
    const half = channel.publish("x".repeat(200));
    await assert.rejects(channel.publish("x".repeat(200)), { code: "queue_full" });
    accepted.ack(await accepted.next(), 1);
    await half;
    const published = [channel.publish("one"), channel.publish("two")];
    await assert.rejects(channel.publish("three"), {
      code: "queue_full",
      message: "`maxQueueMessages`: got a publish after 2 pending ones; expected at most 2.",
    });
    const [one] = await accepted.take(2);
    assert.ok(one);
    accepted.ack(one, 1);
    await published[0];
    const after = channel.publish("three");
    accepted.ack(await accepted.next(), 2);
    await after;
    for (let count = 0; count < 10; count++) {
      const next = channel.publish("one after the other");
      accepted.ack(await accepted.next(), 3);
      await next;
    }
  });

  it("reject what has no JSON", async () => {
    const { channel } = await openGreeted(await startServer());
    for (const value of [undefined, () => 1, Symbol()])
      await assert.rejects(channel.publish(value), TypeError);
    await assert.rejects(channel.publish(1n), TypeError);
    assert.equal(channel.pending, 0);
  });

  it("are given up by their signal: before, while they wait, and when they are under way", async () => {
    const server = await startServer();
    const { channel, accepted } = await openGreeted(server, { maxInFlight: 1 });
    const abort = new AbortController();
    const { signal } = abort;
    const reason = new Error("changed my mind");
    const published = ["sent", "waiting"].map((value) => channel.publish(value, { signal }));
    const other = new AbortController();
    const kept = channel.publish("kept", { signal: other.signal });
    const given = await accepted.next();
    assert.equal(given.publish, "sent");
    abort.abort(reason);
    for (const promise of published) await assert.rejects(promise, reason);
    await assert.rejects(channel.publish("late", { signal }), reason);
    assert.equal(channel.pending, 1);
    // The server still works on the one.
    assert.equal(await accepted.untaken(), 0);
    accepted.ack(given, 1);
    const frame = await accepted.next();
    assert.equal(frame.publish, "kept");
    accepted.ack(frame, 1);
    await kept;
    assert.equal(getEventListeners(other.signal, "abort").length, 0);
  });

  it("are not more at once than may be under way, by number and by bytes", async () => {
    const { channel, accepted } = await openGreeted(await startServer(), { maxInFlight: 2 });
    const read = channel[Symbol.asyncIterator]();
    const published = [1, 2, 3].map((value) => channel.publish(value));
    const [one, two] = await accepted.take(2);
    assert.ok(one && two);
    accepted.deliver(1);
    await read.next();
    accepted.ack(one, 2);
    const three = await accepted.next();
    assert.equal(three.publish, 3);
    accepted.ack(two, 3).ack(three, 4);
    await Promise.all(published);

    const large = [1, 2].map((value) => channel.publish(`${value}`.repeat(200_000)));
    const first = await accepted.next();
    accepted.deliver(5);
    await read.next();
    assert.equal(await accepted.untaken(), 0);
    accepted.ack(first, 6);
    accepted.ack(await accepted.next(), 7);
    await Promise.all(large);
  });

  it("keep to the server's rate of bytes", async () => {
    const server = await startServer();
    const { channel, clock, accepted } = await openGreeted(server, { publishBytesPerSecond: 1000 });
    // Two seconds' worth go at once; one that is larger goes when all is there.
    const published = ["a".repeat(900), "b".repeat(900), "c".repeat(3000)].map((value) =>
      channel.publish(value),
    );
    const frames = [...(await accepted.take(2))];
    clock.advance(1500);
    assert.equal(await accepted.untaken(), 0);
    clock.advance(500);
    frames.push(await accepted.next());
    frames.forEach((frame, index) => accepted.ack(frame, index + 1));
    await Promise.all(published);
  });

  it("keep to the server's rate, on one connection and the next", async () => {
    const server = await startServer();
    const { channel, clock, accepted } = await openGreeted(server, {
      publishBurst: 3,
      publishesPerSecond: 10,
    });
    const published = [1, 2, 3, 4, 5].map((value) => channel.publish(value));
    await accepted.take(3);
    clock.advance(99);
    assert.equal(await accepted.untaken(), 0);
    clock.advance(1);
    assert.equal((await accepted.next()).publish, 4);
    accepted.terminate();
    await becomes(channel, "waiting");
    clock.advance(1000);
    const next = (await server.accept()).greet();
    const again = await next.take(3);
    assert.deepEqual(
      again.map(({ publish }) => publish),
      [1, 2, 3],
    );
    again.forEach((frame, index) => next.ack(frame, index + 1));
    await Promise.all(published.slice(0, 3));
    clock.advance(200);
    for (const frame of await next.take(2)) next.ack(frame, 4);
    await Promise.all(published);
  });

  it("that are not answered for long show that the connection is dead", async () => {
    const server = await startServer();
    const { channel, clock, accepted } = await openGreeted(server, { ackTimeoutMs: 500 });
    const published = [channel.publish("one"), channel.publish("two")];
    const [one, two] = await accepted.take(2);
    assert.ok(one && two);
    clock.advance(400);
    accepted.ack(one, 1);
    await published[0];
    clock.advance(499);
    assert.equal(channel.state.name, "open");
    clock.advance(1);
    assert.equal((await becomes(channel, "waiting")).reason, "a publish was not answered within 500 ms");
    await retry({ channel, clock });
    const next = (await server.accept()).greet();
    assert.deepEqual(await next.next(), two);
    next.ack(two, 2);
    await published[1];
    clock.advance(10_000);
    assert.equal(channel.state.name, "open");
  });

  it("do not count as dead while a slow network takes them", async () => {
    const server = await startServer();
    let bufferedAmount = 1000;
    class SlowWebSocket extends WebSocket {
      override get bufferedAmount(): number {
        return bufferedAmount;
      }
    }
    const { channel, clock, accepted } = await openGreeted(server, {
      ackTimeoutMs: 500,
      WebSocket: SlowWebSocket,
    });
    const published = channel.publish("large");
    const frame = await accepted.next();
    for (bufferedAmount of [900, 800]) {
      clock.advance(500);
      assert.equal(channel.state.name, "open");
    }
    accepted.ack(frame, 1);
    await published;
  });
});

describe("closing the client", () => {
  afterEach(tearDown);

  it("waits for acknowledgements, and takes no more publishes", async () => {
    const { channel, accepted } = await openGreeted(await startServer());
    const published = channel.publish("last");
    const closed = channel.close();
    await assert.rejects(channel.publish("too late"), { name: "ChannelError", code: "closed" });
    assert.equal(channel.state.name, "open");
    accepted.ack(await accepted.next(), 1);
    await closed;
    assert.deepEqual(await published, { epoch: "e", offset: 1 });
    assert.deepEqual(channel.state, { name: "closed" });
    assert.equal(await accepted.closed, 1000);
    assert.equal(channel.close(), closed);
  });

  it("connects again for what is not acknowledged", async () => {
    const server = await startServer();
    const { channel, clock, accepted } = await openGreeted(server);
    const published = channel.publish("last");
    const frame = await accepted.next();
    const closed = channel.close();
    accepted.terminate();
    await retry({ channel, clock });
    const next = (await server.accept()).greet();
    assert.deepEqual(await next.next(), frame);
    next.ack(frame, 1);
    await Promise.all([published, closed]);
  });

  it("gives up after a bound, and rejects what is left", async () => {
    const { channel, clock, accepted } = await openGreeted(await startServer(), { closeTimeoutMs: 300 });
    const published = channel.publish("never answered");
    await accepted.next();
    const closed = channel.close();
    clock.advance(299);
    assert.equal(channel.state.name, "open");
    clock.advance(1);
    await assert.rejects(published, { code: "closed" });
    await closed;
  });

  it("works in any state", async () => {
    const server = await startServer();
    const { channel: connecting } = open(server.url);
    await connecting.close();
    assert.equal(connecting.state.name, "closed");

    const { channel: waiting, clock } = open(server.url, { token: () => Promise.reject(new Error("none")) });
    await becomes(waiting, "waiting");
    await waiting.close();
    assert.equal(clock.timers, 0);

    for (const name of ["open", "waiting"] as const) {
      const { channel } = open(server.url);
      const closed = new Promise((resolve) => {
        channel.on("state", (state) => {
          if (state.name === name) resolve(channel.close());
        });
      });
      const accepted = (await server.accept()).greet();
      if (name === "waiting") accepted.terminate();
      await closed;
      assert.equal(channel.state.name, "closed");
    }
  });

  it("works while the connection is lost", async () => {
    const server = await startServer();
    const { channel, clock } = open(server.url, { from: { epoch: "e", offset: 0 } });
    channel.on("gap", () => void channel.close());
    // The gap is found when the connection ends.
    (await server.accept()).greet("e", 1).close(1001);
    await becomes(channel, "closed");
    assert.equal(clock.timers, 0);
  });

  it("happens at the end of a scope", async () => {
    const server = await startServer();
    const { channel, accepted } = await openGreeted(server);
    {
      await using scoped = channel;
      void scoped.publish("last");
      accepted.ack(await accepted.next(), 1);
    }
    assert.equal(channel.state.name, "closed");
  });
});
