import assert from "node:assert/strict";

import { open, openGreeted, retry, untilState } from "./support/channel.ts";
import { startServer } from "./support/scriptedServer.ts";
import { tearDown } from "../app/support/teardown.ts";

describe("a client's publish", () => {
  afterEach(tearDown);

  it("resolves with its position", async () => {
    const { channel, accepted } = await openGreeted();
    const published = channel.publish({ text: "Hello" });
    assert.equal(channel.pending, 1);
    const frame = await accepted.nextFrame();
    assert.deepEqual(Object.keys(frame), ["publish", "id"]);
    assert.deepEqual(frame.publish, { text: "Hello" });
    assert.match(frame.id, /^[0-9a-f]{32}-1$/);
    accepted.ack(frame, 5);
    assert.deepEqual(await published, { epoch: "e", offset: 5 });
    assert.equal(channel.pending, 0);
  });

  it("resolves with the epoch of the acknowledgement", async () => {
    const { channel, accepted } = await openGreeted();
    const published = channel.publish("one");
    const frame = await accepted.nextFrame();
    // The message is stored in the first epoch and acknowledged in the second.
    accepted.greet("f", 0).ack(frame, 501, "e");
    assert.deepEqual(await published, { epoch: "e", offset: 501 });
  });

  it("has an id that is unique across channels", async () => {
    const ids = new Set<string>();
    for (let count = 0; count < 3; count++) {
      const { channel, accepted } = await openGreeted();
      const published = [channel.publish(1), channel.publish(1)];
      for (const frame of await accepted.nextFrames(2)) {
        ids.add(frame.id);
        accepted.ack(frame, 1);
      }
      await Promise.all(published);
    }
    assert.equal(ids.size, 6);
  });

  it("waits for the first connection, and copies the value", async () => {
    const server = await startServer();
    const { channel } = open(server.url);
    const value = { count: 1 };
    const published = channel.publish(value);
    value.count = 2;
    const accepted = await server.accept();
    accepted.greet();
    const frame = await accepted.nextFrame();
    assert.deepEqual(frame.publish, { count: 1 });
    accepted.ack(frame, 1);
    await published;
  });

  it("is repeated with its id, in order, until it is acknowledged", async () => {
    const { server, channel, clock, accepted } = await openGreeted();
    const published = ["one", "two", "three"].map((value) => channel.publish(value));
    const first = await accepted.nextFrames(3);
    const [one] = first;
    assert.ok(one);
    accepted.ack(one, 1);
    await published[0];
    accepted.terminate();
    await untilState(channel, "waiting");
    const four = channel.publish("four");
    await retry({ channel, clock });

    const second = (await server.accept()).greet("e", 0);
    const again = await second.nextFrames(3);
    assert.deepEqual(again.slice(0, 2), first.slice(1));
    assert.equal(again[2]?.publish, "four");
    again.forEach((frame, index) => second.ack(frame, index + 2));
    const places = await Promise.all([...published, four]);
    assert.deepEqual(
      places.map(({ offset }) => offset),
      [1, 2, 3, 4],
    );
  });

  it("is repeated after a second greeting, and settled by the first answer", async () => {
    const { channel, accepted } = await openGreeted();
    const published = channel.publish("one");
    const first = await accepted.nextFrame();
    accepted.greet("f", 0);
    const again = await accepted.nextFrame();
    assert.deepEqual(again, first);
    accepted.ack(first, 4).ack(again, 4);
    assert.deepEqual(await published, { epoch: "f", offset: 4 });
    const barrier = channel.publish("two");
    accepted.ack(await accepted.nextFrame(), 5);
    await barrier;
  });

  it("is repeated after `unavailable` and a pause, before later ones", async () => {
    const { channel, clock, accepted } = await openGreeted({ maxInFlight: 1 });
    const published = [channel.publish("one"), channel.publish("two")];
    const one = await accepted.nextFrame();
    const settled: string[] = [];
    void published[0]?.then(() => settled.push("one"));
    const read = channel[Symbol.asyncIterator]();
    accepted.reject(one, "unavailable").deliver(1);
    await read.next();
    clock.advance(1999);
    assert.equal(await accepted.countFrames(), 0);
    clock.advance(1);
    assert.deepEqual(await accepted.nextFrame(), one);
    accepted.ack(one, 2);
    const two = await accepted.nextFrame();
    assert.deepEqual(settled, ["one"]);
    assert.equal(two.publish, "two");
    accepted.ack(two, 3);
    await Promise.all(published);
  });

  it("is repeated at once on the next connection after `unavailable`", async () => {
    const { server, channel, clock, accepted } = await openGreeted();
    const published = channel.publish("one");
    const frame = await accepted.nextFrame();
    accepted.reject(frame, "unavailable").close(1001);
    await retry({ channel, clock });
    const next = (await server.accept()).greet();
    assert.deepEqual(await next.nextFrame(), frame);
    next.ack(frame, 1);
    await published;
  });

  it("rejects with any other error of the server", async () => {
    const { channel, accepted } = await openGreeted();
    for (const code of ["too_large", "id_in_use"]) {
      const [bad, good] = [channel.publish("bad"), channel.publish("good")];
      const [badFrame, goodFrame] = await accepted.nextFrames(2);
      assert.ok(badFrame && goodFrame);
      accepted.reject(badFrame, code).ack(goodFrame, 1);
      await assert.rejects(bad, { name: "ChannelError", code, message: "No." });
      await good;
    }
  });

  it("rejects after 1009 if it is the largest in flight, and the others are repeated", async () => {
    const { server, channel, clock, accepted } = await openGreeted();
    const large = channel.publish("x".repeat(1000));
    const small = channel.publish("small");
    await accepted.nextFrames(2);
    accepted.close(1009);
    await assert.rejects(large, { code: "too_large" });
    await retry({ channel, clock });
    const next = (await server.accept()).greet();
    const frame = await next.nextFrame();
    assert.equal(frame.publish, "small");
    next.ack(frame, 1);
    await small;
  });

  it("rejects a value without JSON", async () => {
    const { channel } = await openGreeted();
    for (const value of [undefined, () => 1, Symbol()])
      await assert.rejects(channel.publish(value), TypeError);
    await assert.rejects(channel.publish(1n), TypeError);
    assert.equal(channel.pending, 0);
  });
});
