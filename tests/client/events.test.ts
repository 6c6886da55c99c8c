import assert from "node:assert/strict";

import { open } from "./support/connection.ts";
import { startServer } from "./support/scriptedServer.ts";
import { tearDown } from "../app/support/teardown.ts";

describe("a client's events", () => {
  afterEach(tearDown);

  it("reach all listeners in order, even if one of them throws or closes the connection", async () => {
    const server = await startServer();
    const { connection } = open(server.url);
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
    const seen: string[] = [];
    connection.on("open", () => {
      throw error;
    });
    connection.on("open", () => void connection.close());
    connection.on("open", () => seen.push("open"));
    const closed = new Promise((resolve) => connection.on("closed", resolve));
    connection.on("closed", () => seen.push("closed"));
    (await server.accept()).greet();
    await closed;
    assert.deepEqual(seen, ["open", "closed"]);
    assert.equal(await uncaught, error);
  });

  it("do not reach a removed listener, and still reach its second registration", async () => {
    const server = await startServer();
    const { connection, events, clock } = open(server.url);
    let count = 0;
    const listener = (): void => void (count += 1);
    const stop = connection.on("open", listener);
    connection.on("open", listener);
    (await server.accept()).greet().close(1001);
    clock.advance((await events.next("reconnecting")).delay);
    assert.equal(count, 2);
    stop();
    stop();
    (await server.accept()).greet();
    await events.next("open");
    await events.next("open");
    assert.equal(count, 3);
  });
});
