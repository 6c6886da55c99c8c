import assert from "node:assert/strict";

import { open, openGreeted, untilState } from "./support/channel.ts";
import { startServer } from "./support/scriptedServer.ts";
import { tearDown } from "../app/support/teardown.ts";

describe("a client in a page", () => {
  afterEach(tearDown);

  for (const type of ["visibilitychange", "pageshow", "online", "resume"]) {
    it(`waits for at most a random second after ${type}`, async () => {
      const server = await startServer();
      const { channel, clock, page } = open(server.url, { random: () => 0.5, backoffBaseMs: 20_000 });
      (await server.accept()).terminate();
      await untilState(channel, "waiting");
      page.dispatch(type);
      clock.advance(499);
      assert.equal(channel.state.name, "waiting");
      clock.advance(1);
      (await server.accept()).greet();
      await untilState(channel, "open");
    });
  }

  it("keeps the wait that the server asked for", async () => {
    const server = await startServer();
    const { channel, clock, page } = open(server.url);
    (await server.accept()).close(1013);
    const { delay } = await untilState(channel, "waiting");
    page.dispatch("visibilitychange");
    page.dispatch("online");
    clock.advance(delay - 1);
    assert.equal(channel.state.name, "waiting");
    clock.advance(1);
    await server.accept();
  });

  it("keeps the wait when the page is hidden or the network is lost", async () => {
    const server = await startServer();
    const { channel, clock, page } = open(server.url, { backoffBaseMs: 20_000 });
    (await server.accept()).terminate();
    await untilState(channel, "waiting");
    page.document.visibilityState = "hidden";
    page.dispatch("visibilitychange");
    page.dispatch("offline");
    // A return would shorten the wait to this.
    clock.advance(1000);
    assert.equal(channel.state.name, "waiting");
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
    const { channel, clock, page, accepted } = await openGreeted();
    const messages = channel[Symbol.asyncIterator]();
    for (let offset = 1; offset <= 10; offset++) {
      clock.advance(30_000);
      accepted.send({ heartbeat: 30 }).deliver(offset);
      await messages.next();
    }
    for (const type of ["visibilitychange", "pageshow", "online", "resume"]) page.dispatch(type);
    assert.equal(channel.state.name, "open");
    const published = channel.publish("still here");
    accepted.ack(await accepted.nextFrame(), 1);
    await published;
  });

  it("replaces the connection after the page or the machine slept, and resumes", async () => {
    const { server, channel, clock, page, accepted: before } = await openGreeted({}, ["e", 5]);
    clock.sleep(100_000);
    page.dispatch("visibilitychange");
    const after = await server.accept();
    assert.deepEqual(after.resumePoint, { epoch: "e", offset: "5" });
    await before.closed;

    // Without a page event, the next tick detects it.
    after.greet("e", 5);
    await untilState(channel, "open");
    clock.sleep(100_000);
    clock.advance(15_000);
    await server.accept();
  });

  it("replaces the connection after a network change and after a restore from the back/forward cache", async () => {
    const { server, channel, page } = await openGreeted();
    page.dispatch("offline");
    page.dispatch("online");
    (await server.accept()).greet();
    await untilState(channel, "open");
    page.dispatch("pageshow", true);
    (await server.accept()).greet();
    await untilState(channel, "open");
    page.dispatch("online");
    assert.equal(channel.state.name, "open");
  });

  it("removes its listeners and timers when it is closed", async () => {
    const { channel, clock, page } = await openGreeted();
    assert.equal(page.listeners, 1);
    await channel.close();
    assert.equal(page.listeners, 0);
    assert.equal(clock.timers, 0);
  });
});
