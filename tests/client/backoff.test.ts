import assert from "node:assert/strict";

import type { Loss, State } from "../../client/src/index.ts";
import { open, openGreeted, retry, untilState } from "./support/channel.ts";
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
    await untilState(opened.channel, "open");
    short.terminate();
    assert.equal(await retry(opened), 1000);
    const long = (await server.accept()).greet();
    await untilState(opened.channel, "open");
    opened.clock.advance(5000);
    // A new epoch on the same connection does not restart its age.
    const nextState = new Promise((resolve) => opened.channel.on("state", resolve));
    long.greet("f");
    await nextState;
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
      const { channel, accepted } = await openGreeted({ random: () => 0 });
      accepted.close(code, "reason");
      const expected: State & Loss = { name: "waiting", delay: wait, code, reason: "reason" };
      assert.deepEqual(await untilState(channel, "waiting"), expected);
    });
  }

  it("waits up to eight times the base after a code that asks for a later attempt", async () => {
    const server = await startServer();
    const { channel } = open(server.url);
    (await server.accept()).close(1013);
    assert.equal(Math.round((await untilState(channel, "waiting")).delay), 8000);
  });

  it("ends an attempt without a greeting in time, including a slow token", async () => {
    const server = await startServer();
    let tokens = 0;
    const opened = open(server.url, {
      connectTimeoutMs: 700,
      token: () => ((tokens += 1) === 1 ? new Promise(() => undefined) : "good"),
    });
    opened.clock.advance(699);
    const { state } = opened.channel;
    assert.equal(state.name, "connecting");
    const lost = untilState(opened.channel, "waiting");
    opened.clock.advance(1);
    assert.equal((await lost).reason, "no greeting within 700 ms");
    await retry(opened);
    const silent = await server.accept();
    opened.clock.advance(700);
    assert.equal(opened.channel.state.name, "waiting");
    await silent.closed;
  });
});
