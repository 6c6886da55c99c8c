import assert from "node:assert/strict";

import { open, openGreeted, retry } from "./support/connection.ts";
import { startServer } from "./support/scriptedServer.ts";
import { tearDown } from "../app/support/teardown.ts";

describe("a client's backoff", () => {
  afterEach(tearDown);

  it("waits for a random time, which doubles after each failure up to the cap", async () => {
    const server = await startServer((accepted) => {
      accepted.terminate();
    });
    const delays = async (random: () => number): Promise<readonly number[]> => {
      const opened = open(server.url, { random, backoffBaseMs: 100, backoffCapMs: 1000 });
      const waits: number[] = [];
      while (waits.length < 6) waits.push(await retry(opened));
      return waits;
    };
    assert.deepEqual(await delays(() => 0.5), [50, 100, 200, 400, 500, 500]);
    assert.deepEqual(await delays(() => 0), [0, 0, 0, 0, 0, 0]);
  });

  it("resets the failures after a stable connection", async () => {
    const server = await startServer();
    const opened = open(server.url, { random: () => 0.5 });
    (await server.accept()).terminate();
    assert.equal(await retry(opened), 500);
    const short = (await server.accept()).greet();
    await opened.events.next("open");
    short.terminate();
    assert.equal(await retry(opened), 1000);
    const long = (await server.accept()).greet();
    await opened.events.next("open");
    opened.clock.advance(5000);
    long.terminate();
    assert.equal(await retry(opened), 500);
  });

  for (const [code, wait] of [
    [1000, 0],
    [1001, 0],
    [1012, 0],
    [1008, 1000],
    [1011, 1000],
    [1013, 1000],
  ] as const) {
    it(`reconnects ${wait === 0 ? "soon" : "later"} after ${code}`, async () => {
      const { events, accepted } = await openGreeted({ random: () => 0 });
      accepted.close(code, "reason");
      const expected = { delay: wait, failures: 1, code, reason: "reason" };
      assert.deepEqual(await events.next("reconnecting"), expected);
    });
  }

  it("waits up to eight times the base after a code that asks for a later attempt", async () => {
    const server = await startServer();
    const { events } = open(server.url);
    (await server.accept()).close(1013);
    assert.equal(Math.round((await events.next("reconnecting")).delay), 8000);
  });

  it("ends an attempt without a greeting in time, including a slow token", async () => {
    const server = await startServer();
    let tokens = 0;
    const opened = open(server.url, {
      connectTimeoutMs: 700,
      token: () => ((tokens += 1) === 1 ? new Promise(() => undefined) : "good"),
    });
    opened.clock.advance(699);
    assert.equal(opened.connection.state, "connecting");
    opened.clock.advance(1);
    const { reason, delay } = await opened.events.next("reconnecting");
    assert.equal(reason, "no greeting within 700 ms");
    opened.clock.advance(delay);
    const silent = await server.accept();
    opened.clock.advance(700);
    assert.equal((await opened.events.next("reconnecting")).failures, 2);
    await silent.closed;
  });
});
