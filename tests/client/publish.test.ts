import assert from "node:assert/strict";

import { open, openGreeted, openSubscribed, retry } from "./support/connection.ts";
import { ROOM, startServer } from "./support/scriptedServer.ts";
import { tearDown } from "../app/support/teardown.ts";

describe("a client's publish", () => {
  afterEach(tearDown);

  it("resolves with its position", async () => {
    const { connection, accepted } = await openGreeted();
    const published = connection.publish(ROOM, { text: "Hello" });
    assert.equal(connection.pending, 1);
    const frame = await accepted.nextPublish();
    assert.deepEqual(Object.keys(frame), ["publish", "channel", "id"]);
    assert.deepEqual([frame.publish, frame.channel], [{ text: "Hello" }, ROOM]);
    assert.match(frame.id, /^[0-9a-f]{32}-1$/);
    accepted.ack(frame, 5);
    assert.deepEqual(await published, { epoch: "e", offset: 5 });
    assert.equal(connection.pending, 0);
  });

  it("reports that the server had stored it before", async () => {
    const { connection, accepted } = await openGreeted();
    const published = connection.publish(ROOM, "one");
    accepted.ack(await accepted.nextPublish(), 5, { duplicate: true });
    assert.deepEqual(await published, { epoch: "e", offset: 5, duplicate: true });
  });

  it("goes to its channel, and continues after the channel has ended", async () => {
    const { connection, channel, accepted } = await openSubscribed();
    const published = [channel.publish("one"), connection.publish("/", "two")];
    channel.leave();
    const frames = await accepted.nextPublishes(2);
    assert.deepEqual(
      frames.map((frame) => frame.channel),
      [ROOM, "/"],
    );
    frames.forEach((frame, index) => accepted.ack(frame, index));
    await Promise.all(published);
  });

  it("has an id that is unique across channels", async () => {
    const ids = new Set<string>();
    for (let count = 0; count < 3; count++) {
      const { connection, accepted } = await openGreeted();
      const published = [connection.publish(ROOM, 1), connection.publish(ROOM, 1)];
      for (const frame of await accepted.nextPublishes(2)) {
        ids.add(frame.id);
        accepted.ack(frame, 1);
      }
      await Promise.all(published);
    }
    assert.equal(ids.size, 6);
  });

  it("waits for the first connection, and copies the value", async () => {
    const server = await startServer();
    const { connection } = open(server.url);
    const value = { count: 1 };
    const published = connection.publish(ROOM, value);
    value.count = 2;
    const accepted = await server.accept();
    accepted.greet();
    const frame = await accepted.nextPublish();
    assert.deepEqual(frame.publish, { count: 1 });
    accepted.ack(frame, 1);
    await published;
  });

  it("is repeated with its id, in order, until it is acknowledged", async () => {
    const opened = await openGreeted();
    const { server, connection, accepted } = opened;
    const published = ["one", "two", "three"].map((value) => connection.publish(ROOM, value));
    const first = await accepted.nextPublishes(3);
    const [one] = first;
    assert.ok(one);
    accepted.ack(one, 1);
    await published[0];
    accepted.terminate();
    const { delay } = await opened.events.next("reconnecting");
    const four = connection.publish(ROOM, "four");
    opened.clock.advance(delay);

    const second = (await server.accept()).greet();
    const again = await second.nextPublishes(3);
    assert.deepEqual(again.slice(0, 2), first.slice(1));
    assert.equal(again[2]?.publish, "four");
    again.forEach((frame, index) => second.ack(frame, index + 2));
    const places = await Promise.all([...published, four]);
    assert.deepEqual(
      places.map(({ offset }) => offset),
      [1, 2, 3, 4],
    );
  });

  it("is settled by the first answer", async () => {
    const { connection, accepted } = await openGreeted();
    const published = connection.publish(ROOM, "one");
    const frame = await accepted.nextPublish();
    accepted.ack(frame, 4).ack(frame, 5).reject(frame, "too_large");
    assert.deepEqual(await published, { epoch: "e", offset: 4 });
    const barrier = connection.publish(ROOM, "two");
    accepted.ack(await accepted.nextPublish(), 5);
    await barrier;
  });

  it("is repeated after `unavailable` and a pause, before later ones", async () => {
    const { connection, clock, accepted } = await openGreeted({ maxInFlight: 1 });
    const published = [connection.publish(ROOM, "one"), connection.publish(ROOM, "two")];
    const one = await accepted.nextPublish();
    const settled: string[] = [];
    void published[0]?.then(() => settled.push("one"));
    accepted.reject(one, "unavailable");
    await accepted.countFrames();
    clock.advance(1999);
    assert.equal(await accepted.countFrames(), 0);
    clock.advance(1);
    assert.deepEqual(await accepted.nextPublish(), one);
    accepted.ack(one, 2);
    const two = await accepted.nextPublish();
    assert.deepEqual(settled, ["one"]);
    assert.equal(two.publish, "two");
    accepted.ack(two, 3);
    await Promise.all(published);
  });

  it("is repeated at once on the next connection after `unavailable`", async () => {
    const opened = await openGreeted();
    const { server, connection, accepted } = opened;
    const published = connection.publish(ROOM, "one");
    const frame = await accepted.nextPublish();
    accepted.reject(frame, "unavailable").close(1001);
    await retry(opened);
    const next = (await server.accept()).greet();
    assert.deepEqual(await next.nextPublish(), frame);
    next.ack(frame, 1);
    await published;
  });

  it("rejects with any other error of the server", async () => {
    const { connection, accepted } = await openGreeted();
    for (const code of ["too_large", "id_in_use"]) {
      const [bad, good] = [connection.publish(ROOM, "bad"), connection.publish(ROOM, "good")];
      const [badFrame, goodFrame] = await accepted.nextPublishes(2);
      assert.ok(badFrame && goodFrame);
      accepted.reject(badFrame, code).ack(goodFrame, 1);
      await assert.rejects(bad, { name: "ClientError", code, message: "No." });
      await good;
    }
  });

  it("rejects after 1009 if it is the largest in flight, and the others are repeated", async () => {
    const opened = await openGreeted();
    const { server, connection, accepted } = opened;
    const large = connection.publish(ROOM, "x".repeat(1000));
    const small = connection.publish(ROOM, "small");
    await accepted.nextPublishes(2);
    accepted.close(1009);
    await assert.rejects(large, { code: "too_large" });
    await retry(opened);
    const next = (await server.accept()).greet();
    const frame = await next.nextPublish();
    assert.equal(frame.publish, "small");
    next.ack(frame, 1);
    await small;
  });

  it("rejects a value without JSON", async () => {
    const { connection } = await openGreeted();
    for (const value of [undefined, () => 1, Symbol()])
      await assert.rejects(connection.publish(ROOM, value), TypeError);
    await assert.rejects(connection.publish(ROOM, 1n), TypeError);
    assert.equal(connection.pending, 0);
  });
});
