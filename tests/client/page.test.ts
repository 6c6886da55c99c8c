import assert from "node:assert/strict";

import { open, openGreeted, openSubscribed } from "./support/connection.ts";
import { ROOM, startServer } from "./support/scriptedServer.ts";
import { tearDown } from "../app/support/teardown.ts";

describe("a client in a page", () => {
  afterEach(tearDown);

  for (const type of ["visibilitychange", "pageshow", "online", "resume"]) {
    it(`waits for at most a random second after ${type}`, async () => {
      const server = await startServer();
      const { events, clock, page } = open(server.url, { random: () => 0.5, backoffBaseMs: 20_000 });
      (await server.accept()).terminate();
      await events.next("reconnecting");
      page.dispatch(type);
      clock.advance(499);
      assert.equal(clock.timers, 1);
      clock.advance(1);
      (await server.accept()).greet();
      await events.next("open");
    });
  }

  it("keeps the wait that the server asked for", async () => {
    const server = await startServer();
    let tokens = 0;
    const { events, clock, page } = open(server.url, { token: () => `token-${(tokens += 1)}` });
    (await server.accept()).close(1013);
    const { delay } = await events.next("reconnecting");
    page.dispatch("visibilitychange");
    page.dispatch("online");
    clock.advance(delay - 1);
    assert.equal(tokens, 1);
    clock.advance(1);
    await server.accept();
  });

  it("keeps the wait when the page is hidden or the network is lost", async () => {
    const server = await startServer();
    let tokens = 0;
    const token = (): string => `token-${(tokens += 1)}`;
    const { events, clock, page } = open(server.url, { token, backoffBaseMs: 20_000 });
    (await server.accept()).terminate();
    await events.next("reconnecting");
    page.document.visibilityState = "hidden";
    page.dispatch("visibilitychange");
    page.dispatch("offline");
    // A return would shorten the wait to this.
    clock.advance(1000);
    assert.equal(tokens, 1);
  });

  it("replaces an old attempt, and keeps a new one", async () => {
    const server = await startServer();
    let attempts = 0;
    const { clock, page } = open(server.url, {
      token: () => {
        attempts += 1;
        return "any";
      },
    });
    const hanging = await server.accept();
    page.dispatch("visibilitychange");
    assert.equal(attempts, 1);
    clock.advance(2001);
    page.dispatch("visibilitychange");
    assert.equal(attempts, 2);
    await hanging.closed;
    await server.accept();
  });

  it("keeps a healthy connection", async () => {
    const { connection, channel, clock, page, accepted, read } = await openSubscribed();
    for (let offset = 1; offset <= 10; offset++) {
      clock.advance(30_000);
      accepted.send({ heartbeat: 30 }).deliver(offset);
      await read(1);
    }
    for (const type of ["visibilitychange", "pageshow", "online", "resume"]) page.dispatch(type);
    assert.equal(connection.state, "open");
    const published = channel.publish("still here");
    accepted.ack(await accepted.nextPublish(), 1);
    await published;
  });

  it("replaces the connection after the page or the machine slept, and resumes", async () => {
    const { server, connection, events, clock, page, accepted: before } = await openSubscribed({}, ["e", 5]);
    clock.sleep(100_000);
    page.dispatch("visibilitychange");
    assert.equal(connection.state, "reconnecting");
    assert.deepEqual(await events.next("reconnecting"), {
      delay: 0,
      failures: 0,
      reason: "the page or the network has returned",
    });
    const after = (await server.accept()).greet();
    assert.deepEqual(await after.nextRequest(), { subscribe: ROOM, epoch: "e", offset: 5 });
    await before.closed;

    // Without a page event, the next tick detects it.
    assert.equal(connection.state, "open");
    clock.sleep(100_000);
    clock.advance(15_000);
    clock.advance((await events.next("reconnecting")).delay);
    await server.accept();
  });

  it("replaces the connection after a network change and after a restore from the back/forward cache", async () => {
    const { server, connection, events, page } = await openGreeted();
    page.dispatch("offline");
    page.dispatch("online");
    (await server.accept()).greet();
    await events.next("open");
    page.dispatch("pageshow", true);
    (await server.accept()).greet();
    await events.next("open");
    page.dispatch("online");
    assert.equal(connection.state, "open");
  });

  it("removes its listeners and timers when it is closed", async () => {
    const { connection, clock, page } = await openSubscribed();
    assert.equal(page.listeners, 1);
    await connection.close();
    assert.equal(page.listeners, 0);
    assert.equal(clock.timers, 0);
  });
});
