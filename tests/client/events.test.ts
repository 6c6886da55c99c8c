import assert from "node:assert/strict";

import type { State } from "../../client/src/index.ts";
import { open, untilState } from "./support/channel.ts";
import { startServer } from "./support/scriptedServer.ts";
import { tearDown } from "../app/support/teardown.ts";

describe("a client's events", () => {
  afterEach(tearDown);

  it("report each state to listeners, and the newest to slow iterators", async () => {
    const server = await startServer();
    const { channel, clock } = open(server.url, { random: () => 0.5 });
    const seen: string[] = [];
    channel.on("state", ({ name }) => seen.push(name));
    const states = channel.states();
    const late = channel.states();
    const next = async (): Promise<State | undefined> => (await states.next()).value;

    assert.deepEqual(await next(), { name: "connecting", failures: 0 });
    const opening = next();
    const accepted = (await server.accept()).greet("e", 1);
    assert.deepEqual(await opening, { name: "open", epoch: "e", offset: 1, heartbeat: 30 });
    const losing = next();
    accepted.close(1001, "the server shuts down");
    assert.deepEqual(await losing, {
      name: "waiting",
      delay: 500,
      code: 1001,
      reason: "the server shuts down",
    });
    clock.advance(500);
    assert.deepEqual(await next(), { name: "connecting", failures: 1 });
    await channel.close();
    assert.deepEqual(await next(), { name: "closed" });
    assert.equal((await states.next()).done, true);

    assert.deepEqual((await late.next()).value, { name: "closed" });
    assert.equal((await late.next()).done, true);
    assert.deepEqual(seen, ["open", "waiting", "connecting", "closed"]);
    assert.deepEqual((await channel.states().next()).value, { name: "closed" });
  });

  it("continue after a listener throws, whose error is reported as uncaught", async () => {
    const server = await startServer();
    const { channel } = open(server.url);
    const uncaught = new Promise((resolve) => {
      // The listeners of Mocha would fail the test.
      const own = process.listeners("uncaughtException");
      process.removeAllListeners("uncaughtException");
      process.once("uncaughtException", (error) => {
        for (const listener of own) process.on("uncaughtException", listener);
        resolve(error);
      });
    });
    const error = new Error("an application error");
    channel.on("message", ({ offset }) => {
      if (offset === 1) throw error;
    });
    const messages = channel[Symbol.asyncIterator]();
    (await server.accept()).greet().deliver(1, 2);
    assert.equal(await uncaught, error);
    await messages.next();
    assert.equal((await messages.next()).value?.offset, 2);
  });

  it("reach all listeners in order, even if one of them closes the channel", async () => {
    const server = await startServer();
    const { channel } = open(server.url);
    const seen: string[] = [];
    channel.on("state", ({ name }) => {
      if (name === "open") void channel.close();
    });
    channel.on("state", ({ name }) => seen.push(name));
    (await server.accept()).greet();
    await untilState(channel, "closed");
    assert.deepEqual(seen, ["open", "closed"]);
  });

  it("do not reach a removed listener, and still reach its second registration", async () => {
    const server = await startServer();
    const { channel } = open(server.url);
    const seen: number[] = [];
    const listener = ({ offset }: { readonly offset: number }): void => void seen.push(offset);
    const stop = channel.on("message", listener);
    channel.on("message", listener);
    const messages = channel[Symbol.asyncIterator]();
    const accepted = (await server.accept()).greet().deliver(1);
    await messages.next();
    stop();
    stop();
    accepted.deliver(2);
    await messages.next();
    assert.deepEqual(seen, [1, 1, 2]);
  });
});
