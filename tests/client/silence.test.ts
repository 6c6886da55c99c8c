import assert from "node:assert/strict";

import { connect } from "../../client/src/index.ts";
import { open, openGreeted, retry, untilState } from "./support/channel.ts";
import { startServer } from "./support/scriptedServer.ts";
import { afterwards, tearDown } from "../app/support/teardown.ts";

describe("a client that receives no frames", () => {
  afterEach(tearDown);

  it("reconnects after two heartbeats without a frame, and resumes", async () => {
    const server = await startServer();
    const opened = open(server.url);
    const { channel, clock } = opened;
    const messages = channel[Symbol.asyncIterator]();
    const accepted = (await server.accept()).greet("e", 3);
    await untilState(channel, "open");
    clock.advance(60_000);
    // Every frame counts.
    accepted.deliver(4);
    await messages.next();
    clock.advance(60_000);
    accepted.send({ heartbeat: 30 }).deliver(5);
    await messages.next();
    clock.advance(60_999);
    assert.equal(channel.state.name, "open");
    clock.advance(1);
    assert.equal((await untilState(channel, "waiting")).reason, "no frame within 61000 ms");
    await retry(opened);
    assert.deepEqual((await server.accept()).resumePoint, { epoch: "e", offset: "5" });
  });

  it("reconnects after the same time if the date is set back", async () => {
    const { channel, clock } = await openGreeted();
    clock.setDateBack(30_000);
    clock.advance(60_999);
    assert.equal(channel.state.name, "open");
    clock.advance(1);
    assert.equal(channel.state.name, "waiting");
  });

  it("reconnects if the monotonic clock goes back, which makes the time unknown", async () => {
    const { channel, clock } = await openGreeted();
    clock.goBack(90_000);
    clock.advance(61_000);
    assert.equal(channel.state.name, "waiting");
  });

  it("reconnects by the system's clock if the date is set back", async () => {
    const server = await startServer();
    const channel = connect(server.url);
    afterwards(() => channel.close());
    (await server.accept()).send({ connection: "ok", epoch: "e", offset: 0, heartbeat: 0.1 });
    await untilState(channel, "open");
    const { now } = Date;
    afterwards(() => (Date.now = now));
    Date.now = () => now() - 30_000;
    assert.equal((await untilState(channel, "waiting")).reason, "no frame within 1200 ms");
  });

  it("reconnects once from a server without heartbeats", async () => {
    const server = await startServer();
    const opened = open(server.url);
    const { channel, clock } = opened;
    (await server.accept()).greet();
    await untilState(channel, "open");
    clock.advance(61_000);
    await retry(opened);
    const older = (await server.accept()).greet();
    await untilState(channel, "open");
    clock.advance(3_600_000);
    assert.equal(channel.state.name, "open");
    // A heartbeat frame starts the detection again.
    const messages = channel[Symbol.asyncIterator]();
    older.send({ heartbeat: 10 }).deliver(1);
    await messages.next();
    clock.advance(21_000);
    await untilState(channel, "waiting");
  });
});
