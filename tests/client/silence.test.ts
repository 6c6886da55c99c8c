import assert from "node:assert/strict";

import { connect } from "../../client/src/index.ts";
import { EventLog, openGreeted, openSubscribed, retry } from "./support/connection.ts";
import { ROOM, startServer } from "./support/scriptedServer.ts";
import { afterwards, tearDown } from "../app/support/teardown.ts";

describe("a client that receives no frames", () => {
  afterEach(tearDown);

  it("reconnects after two heartbeats without a frame, and resumes", async () => {
    const { server, connection, events, clock, accepted, read } = await openSubscribed({}, ["e", 3]);
    clock.advance(60_000);
    // Every frame counts.
    accepted.deliver(4);
    await read(1);
    clock.advance(60_000);
    accepted.send({ heartbeat: 30 }).deliver(5);
    await read(1);
    clock.advance(60_999);
    assert.equal(connection.state, "open");
    clock.advance(1);
    const { reason, delay } = await events.next("reconnecting");
    assert.equal(reason, "no frame within 61000 ms");
    clock.advance(delay);
    const next = (await server.accept()).greet();
    assert.deepEqual(await next.nextRequest(), { subscribe: ROOM, epoch: "e", offset: 5 });
  });

  it("reconnects after the same time if the date is set back", async () => {
    const { connection, clock } = await openGreeted();
    clock.setDateBack(30_000);
    clock.advance(60_999);
    assert.equal(connection.state, "open");
    clock.advance(1);
    assert.equal(connection.state, "reconnecting");
  });

  it("reconnects if the monotonic clock goes back, which makes the time unknown", async () => {
    const { connection, clock } = await openGreeted();
    clock.goBack(90_000);
    clock.advance(61_000);
    assert.equal(connection.state, "reconnecting");
  });

  it("reconnects by the system's clock if the date is set back", async () => {
    const server = await startServer();
    const connection = connect(server.url);
    afterwards(() => connection.close());
    const events = new EventLog(connection);
    (await server.accept()).greet({ heartbeat: 0.1 });
    await events.next("open");
    const { now } = Date;
    afterwards(() => (Date.now = now));
    Date.now = () => now() - 30_000;
    assert.equal((await events.next("reconnecting")).reason, "no frame within 1200 ms");
  });

  it("keeps to the interval of the newest heartbeat", async () => {
    const opened = await openSubscribed();
    const { server, clock, accepted, read } = opened;
    accepted.send({ heartbeat: 10 }).deliver(1);
    await read(1);
    clock.advance(21_000);
    await retry(opened);
    await server.accept();
  });
});
