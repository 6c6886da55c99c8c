import assert from "node:assert/strict";

import { EventLog, join, open, openGreeted, openSubscribed, retry } from "./support/connection.ts";
import { ROOM, startServer } from "./support/scriptedServer.ts";
import { tearDown } from "../app/support/teardown.ts";

describe("close()", () => {
  afterEach(tearDown);

  it("waits for acknowledgements, and rejects further publishes", async () => {
    const { connection, events, channel, accepted, read } = await openSubscribed();
    const published = channel.publish("last");
    const closed = connection.close();
    await assert.rejects(channel.publish("too late"), { name: "ClientError", code: "closed" });
    await assert.rejects(connection.publish(ROOM, "too late"), { code: "closed" });
    assert.throws(() => connection.channel("other"), { name: "ClientError", code: "closed" });
    assert.equal(connection.state, "open");
    accepted.deliver(1);
    await read(1);
    accepted.ack(await accepted.nextPublish(), 1);
    await closed;
    assert.deepEqual(await published, { epoch: "e", offset: 1 });
    assert.equal(connection.state, "closed");
    assert.deepEqual(await events.next("closed"), { reason: "close() was called" });
    assert.equal(await channel.closed, undefined);
    assert.equal(await accepted.closed, 1000);
    assert.equal(connection.close(), closed);
    channel.leave();
  });

  it("reconnects for unacknowledged publishes", async () => {
    const opened = await openGreeted();
    const { server, connection, accepted } = opened;
    const published = connection.publish(ROOM, "last");
    const frame = await accepted.nextPublish();
    const closed = connection.close();
    accepted.terminate();
    await retry(opened);
    const next = (await server.accept()).greet();
    assert.deepEqual(await next.nextPublish(), frame);
    next.ack(frame, 1);
    await Promise.all([published, closed]);
  });

  it("ends after a timeout, and rejects the remaining publishes", async () => {
    const { connection, clock, accepted } = await openGreeted({ closeTimeoutMs: 300 });
    const published = connection.publish(ROOM, "never answered");
    await accepted.nextPublish();
    const closed = connection.close();
    clock.advance(299);
    assert.equal(connection.state, "open");
    clock.advance(1);
    await assert.rejects(published, { code: "closed" });
    await closed;
  });

  it("works in every state", async () => {
    const server = await startServer();
    const { connection: connecting } = open(server.url);
    await connecting.close();
    assert.equal(connecting.state, "closed");

    const waiting = open(server.url, { token: () => Promise.reject(new Error("none")) });
    await waiting.events.next("reconnecting");
    await waiting.connection.close();
    assert.equal(waiting.clock.timers, 0);

    for (const type of ["open", "reconnecting"] as const) {
      const { connection, clock } = open(server.url);
      join(connection);
      const closed = new Promise((resolve) => {
        connection.on(type, () => {
          resolve(connection.close());
        });
      });
      const accepted = (await server.accept()).greet();
      if (type === "reconnecting") accepted.terminate();
      await closed;
      assert.equal(connection.state, "closed");
      assert.equal(clock.timers, 0);
    }
  });

  it("ends a renewal of the token", async () => {
    const { server, connection, clock, accepted } = await openGreeted(
      { token: () => "any" },
      { expiresIn: 10 },
    );
    clock.advance(9000);
    const next = await server.accept();
    await connection.close();
    assert.equal(await accepted.closed, 1000);
    await next.closed;
    assert.equal(clock.timers, 0);
  });

  it("is called at the end of a scope", async () => {
    const server = await startServer();
    let events;
    {
      await using connection = open(server.url).connection;
      events = new EventLog(connection);
    }
    await events.next("closed");
  });
});
