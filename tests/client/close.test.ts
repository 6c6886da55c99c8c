import assert from "node:assert/strict";

import { open, openGreeted, retry, untilState } from "./support/channel.ts";
import { startServer } from "./support/scriptedServer.ts";
import { tearDown } from "../app/support/teardown.ts";

describe("close()", () => {
  afterEach(tearDown);

  it("waits for acknowledgements, and rejects further publishes", async () => {
    const { channel, accepted } = await openGreeted();
    const published = channel.publish("last");
    const closed = channel.close();
    await assert.rejects(channel.publish("too late"), { name: "ChannelError", code: "closed" });
    assert.equal(channel.state.name, "open");
    accepted.ack(await accepted.nextFrame(), 1);
    await closed;
    assert.deepEqual(await published, { epoch: "e", offset: 1 });
    assert.deepEqual(channel.state, { name: "closed" });
    assert.equal(await accepted.closed, 1000);
    assert.equal(channel.close(), closed);
  });

  it("reconnects for unacknowledged publishes", async () => {
    const { server, channel, clock, accepted } = await openGreeted();
    const published = channel.publish("last");
    const frame = await accepted.nextFrame();
    const closed = channel.close();
    accepted.terminate();
    await retry({ channel, clock });
    const next = (await server.accept()).greet();
    assert.deepEqual(await next.nextFrame(), frame);
    next.ack(frame, 1);
    await Promise.all([published, closed]);
  });

  it("ends after a timeout, and rejects the remaining publishes", async () => {
    const { channel, clock, accepted } = await openGreeted({ closeTimeoutMs: 300 });
    const published = channel.publish("never answered");
    await accepted.nextFrame();
    const closed = channel.close();
    clock.advance(299);
    assert.equal(channel.state.name, "open");
    clock.advance(1);
    await assert.rejects(published, { code: "closed" });
    await closed;
  });

  it("works in every state", async () => {
    const server = await startServer();
    const { channel: connecting } = open(server.url);
    await connecting.close();
    assert.equal(connecting.state.name, "closed");

    const { channel: waiting, clock } = open(server.url, { token: () => Promise.reject(new Error("none")) });
    await untilState(waiting, "waiting");
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

  it("works in a gap listener while the connection is lost", async () => {
    const server = await startServer();
    const { channel, clock } = open(server.url, { from: { epoch: "e", offset: 0 } });
    channel.on("gap", () => void channel.close());
    // The gap is reported when the connection ends.
    (await server.accept()).greet("e", 1).close(1001);
    await untilState(channel, "closed");
    assert.equal(clock.timers, 0);
  });
});
