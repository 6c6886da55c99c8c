import assert from "node:assert/strict";
import { getEventListeners } from "node:events";

import { openGreeted } from "./support/connection.ts";
import { ROOM } from "./support/scriptedServer.ts";
import { tearDown } from "../app/support/teardown.ts";

describe("a client's publish limits", () => {
  afterEach(tearDown);

  it("reject publishes beyond the maximum number or bytes of the queue", async () => {
    const { connection, accepted } = await openGreeted({
      maxQueueMessages: 2,
      maxQueueBytes: 400,
    });
    await assert.rejects(connection.publish(ROOM, "ü".repeat(200)), {
      name: "ClientError",
      code: "too_large",
    });
    const half = connection.publish(ROOM, "x".repeat(200));
    await assert.rejects(connection.publish(ROOM, "x".repeat(200)), { code: "queue_full" });
    accepted.ack(await accepted.nextPublish(), 1);
    await half;
    const published = [connection.publish(ROOM, "one"), connection.publish(ROOM, "two")];
    await assert.rejects(connection.publish(ROOM, "three"), {
      code: "queue_full",
      message: "`maxQueueMessages`: got a publish after 2 pending ones; expected at most 2.",
    });
    const [one] = await accepted.nextPublishes(2);
    assert.ok(one);
    accepted.ack(one, 1);
    await published[0];
    const after = connection.publish(ROOM, "three");
    accepted.ack(await accepted.nextPublish(), 2);
    await after;
    for (let count = 0; count < 10; count++) {
      const next = connection.publish(ROOM, "one after the other");
      accepted.ack(await accepted.nextPublish(), 3);
      await next;
    }
  });

  it("count an aborted publish until the server answers", async () => {
    const { connection, accepted } = await openGreeted({ maxInFlight: 1 });
    const abort = new AbortController();
    const { signal } = abort;
    const reason = new Error("aborted by the caller");
    const published = ["sent", "waiting"].map((value) => connection.publish(ROOM, value, { signal }));
    const other = new AbortController();
    const kept = connection.publish(ROOM, "kept", { signal: other.signal });
    const given = await accepted.nextPublish();
    assert.equal(given.publish, "sent");
    abort.abort(reason);
    for (const promise of published) await assert.rejects(promise, reason);
    await assert.rejects(connection.publish(ROOM, "late", { signal }), reason);
    assert.equal(connection.pending, 1);
    // The server still processes the aborted one.
    assert.equal(await accepted.countFrames(), 0);
    accepted.ack(given, 1);
    const frame = await accepted.nextPublish();
    assert.equal(frame.publish, "kept");
    accepted.ack(frame, 1);
    await kept;
    assert.equal(getEventListeners(other.signal, "abort").length, 0);
  });

  it("hold back publishes beyond the maximum number or bytes in flight", async () => {
    const { connection, accepted } = await openGreeted({ maxInFlight: 2 });
    const published = [1, 2, 3].map((value) => connection.publish(ROOM, value));
    const [one, two] = await accepted.nextPublishes(2);
    assert.ok(one && two);
    assert.equal(await accepted.countFrames(), 0);
    accepted.ack(one, 2);
    const three = await accepted.nextPublish();
    assert.equal(three.publish, 3);
    accepted.ack(two, 3).ack(three, 4);
    await Promise.all(published);

    const large = [1, 2].map((value) => connection.publish(ROOM, `${value}`.repeat(200_000)));
    const first = await accepted.nextPublish();
    assert.equal(await accepted.countFrames(), 0);
    accepted.ack(first, 6);
    accepted.ack(await accepted.nextPublish(), 7);
    await Promise.all(large);
  });

  it("hold back publishes beyond the byte rate", async () => {
    const { connection, clock, accepted } = await openGreeted({ publishBytesPerSecond: 1000 });
    // The burst is two seconds at the rate. A larger publish waits for the full burst.
    const published = ["a".repeat(900), "b".repeat(900), "c".repeat(3000)].map((value) =>
      connection.publish(ROOM, value),
    );
    const frames = [...(await accepted.nextPublishes(2))];
    clock.advance(1500);
    assert.equal(await accepted.countFrames(), 0);
    clock.advance(500);
    frames.push(await accepted.nextPublish());
    frames.forEach((frame, index) => accepted.ack(frame, index + 1));
    await Promise.all(published);
  });

  it("hold back publishes beyond the message rate, across connections", async () => {
    const { server, connection, events, clock, accepted } = await openGreeted({
      publishBurst: 3,
      publishesPerSecond: 10,
    });
    const published = [1, 2, 3, 4, 5].map((value) => connection.publish(ROOM, value));
    await accepted.nextPublishes(3);
    clock.advance(99);
    assert.equal(await accepted.countFrames(), 0);
    clock.advance(1);
    assert.equal((await accepted.nextPublish()).publish, 4);
    accepted.terminate();
    await events.next("reconnecting");
    clock.advance(1000);
    const next = (await server.accept()).greet();
    const again = await next.nextPublishes(3);
    assert.deepEqual(
      again.map(({ publish }) => publish),
      [1, 2, 3],
    );
    again.forEach((frame, index) => next.ack(frame, index + 1));
    await Promise.all(published.slice(0, 3));
    clock.advance(200);
    for (const frame of await next.nextPublishes(2)) next.ack(frame, 4);
    await Promise.all(published);
  });

  it("replace a connection without acknowledgements", async () => {
    const { server, connection, events, clock, accepted } = await openGreeted({ answerTimeoutMs: 500 });
    const published = [connection.publish(ROOM, "one"), connection.publish(ROOM, "two")];
    const [one, two] = await accepted.nextPublishes(2);
    assert.ok(one && two);
    clock.advance(400);
    accepted.ack(one, 1);
    await published[0];
    clock.advance(499);
    assert.equal(connection.state, "open");
    clock.advance(1);
    const { reason, delay } = await events.next("reconnecting");
    assert.equal(reason, "no answer within 500 ms");
    clock.advance(delay);
    const next = (await server.accept()).greet();
    assert.deepEqual(await next.nextPublish(), two);
    next.ack(two, 2);
    await published[1];
    clock.advance(10_000);
    assert.equal(connection.state, "open");
  });

  it("keep a connection whose buffer drains slowly", async () => {
    let bufferedAmount = 1000;
    class SlowWebSocket extends WebSocket {
      override get bufferedAmount(): number {
        return bufferedAmount;
      }
    }
    const { connection, clock, accepted } = await openGreeted({
      answerTimeoutMs: 500,
      WebSocket: SlowWebSocket,
    });
    const published = connection.publish(ROOM, "large");
    const frame = await accepted.nextPublish();
    for (bufferedAmount of [900, 800]) {
      clock.advance(500);
      assert.equal(connection.state, "open");
    }
    accepted.ack(frame, 1);
    await published;
  });
});
