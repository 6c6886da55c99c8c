import assert from "node:assert/strict";

import { join, open, openGreeted, retry } from "./support/connection.ts";
import type { OpenedConnection } from "./support/connection.ts";
import { ROOM, startServer } from "./support/scriptedServer.ts";
import type { ScriptedServer, ServerConnection } from "./support/scriptedServer.ts";
import { tearDown } from "../app/support/teardown.ts";

/** The client renews a token of 10 seconds after 7.5 to 9 seconds. */
const LIFETIME = { expiresIn: 10 };
const RENEWAL_MS = 9000;

interface Renewing extends OpenedConnection {
  readonly server: ScriptedServer;
  readonly accepted: ServerConnection;
}

/** Opens a connection whose tokens are token-1, token-2, and so on. */
async function openRenewing(keys = LIFETIME): Promise<Renewing> {
  let tokens = 0;
  return openGreeted({ token: () => `token-${(tokens += 1)}` }, keys);
}

/** Opens the connection with the next token, before its greeting. */
async function renew({ clock, server }: Renewing): Promise<ServerConnection> {
  clock.advance(RENEWAL_MS);
  return server.accept();
}

describe("a client's token", () => {
  afterEach(tearDown);

  it("is asked for each connection, which follows soon after 1008", async () => {
    const server = await startServer();
    let tokens = 0;
    const opened = open(server.url, {
      token: () => Promise.resolve(`a.b-${(tokens += 1)}`),
      random: () => 0,
    });
    const first = await server.accept();
    assert.deepEqual(first.protocols, ["channels.v1", "bearer.a.b-1"]);
    first.greet();
    await opened.events.next("open");
    first.close(1008, "the token has expired");
    assert.equal(await retry(opened), 0);
    assert.deepEqual((await server.accept()).protocols, ["channels.v1", "bearer.a.b-2"]);
  });

  it("can be a string, which ends the connection when it has expired", async () => {
    const { server, connection, clock, events, accepted } = await openGreeted({ token: "fixed" }, LIFETIME);
    assert.deepEqual(accepted.protocols, ["channels.v1", "bearer.fixed"]);
    const { channel } = join(connection);
    clock.advance(8999);
    accepted.close(1001);
    await events.next("reconnecting");
    // The next connection begins before the expiry, too.
    clock.advance(1000);
    (await server.accept()).greet({ expiresIn: 0 }).close(1008);
    await events.next("open");
    const { error } = await events.next("closed");
    assert.equal(error?.code, "token_expired");
    assert.equal(await channel.closed, error);
  });

  it("is repeated if the function fails, or the result is not a valid subprotocol", async () => {
    const server = await startServer();
    const answers = [() => Promise.reject(new Error("offline")), () => "two words", () => "good"];
    const opened = open(server.url, { token: () => answers.shift()?.() ?? "" });
    const { reason, delay } = await opened.events.next("reconnecting");
    assert.equal(reason, "no token: offline");
    opened.clock.advance(delay);
    const second = await opened.events.next("reconnecting");
    assert.match(second.reason, /^no token: it has characters/);
    opened.clock.advance(second.delay);
    assert.deepEqual((await server.accept()).protocols, ["channels.v1", "bearer.good"]);
  });

  it("is renewed before it expires, by a connection that takes over the channels and publishes", async () => {
    const opened = await openRenewing();
    const { connection, events, accepted: before } = opened;
    const channels = [join(connection, "one"), join(connection, "two")] as const;
    await before.nextRequests(2);
    before.subscribed("e", 0, "one").subscribed("e", 5, "two").deliverTo("one", 1);
    await channels[0].read(2);
    await channels[1].read(1);

    const after = await renew(opened);
    assert.deepEqual(after.protocols, ["channels.v1", "bearer.token-2"]);
    after.greet(LIFETIME);
    assert.deepEqual(await after.nextRequests(2), [
      { subscribe: "one", epoch: "e", offset: 1 },
      { subscribe: "two", epoch: "e", offset: 5 },
    ]);
    // Meanwhile, the first connection delivers and acknowledges.
    before.deliverTo("one", 2).deliverTo("two", 6);
    assert.deepEqual([await channels[0].read(1), await channels[1].read(1)], [["e 2"], ["e 6"]]);
    const published = connection.publish("one", "on the first connection");
    const frame = await before.nextPublish();
    after.subscribed("e", 1, "one").deliverTo("one", 2, 3);
    assert.deepEqual(await channels[0].read(2), ["at e 1", "e 3"]);
    // The second connection has taken over this channel only.
    before.deliverTo("one", 3, 4).deliverTo("two", 7);
    assert.deepEqual(await channels[1].read(1), ["e 7"]);
    assert.equal(connection.state, "open");

    after.subscribed("e", 5, "two").deliverTo("two", 6, 7, 8).deliverTo("one", 4);
    assert.equal(await before.closed, 1000);
    assert.deepEqual([await channels[0].read(1), await channels[1].read(2)], [["e 4"], ["at e 5", "e 8"]]);
    assert.deepEqual(await after.nextPublish(), frame);
    after.ack(frame, 5, { duplicate: true });
    assert.deepEqual(await published, { epoch: "e", offset: 5, duplicate: true });
    assert.equal(events.count("reconnecting"), 0);
    assert.equal(events.count("open"), 1);

    // The second token is renewed, too.
    const third = await renew(opened);
    assert.deepEqual(third.protocols, ["channels.v1", "bearer.token-3"]);
    third.greet();
    await third.nextRequests(2);
    third.subscribed("e", 4, "one").subscribed("e", 8, "two");
    await after.closed;
    await channels[0].read(1);
    // This token does not expire.
    opened.clock.advance(1000);
    assert.equal(opened.server.waiting, 0);
  });

  it("is renewed at once without channels", async () => {
    const opened = await openRenewing();
    const after = (await renew(opened)).greet();
    await opened.accepted.closed;
    join(opened.connection);
    assert.deepEqual(await after.nextRequest(), { subscribe: ROOM });
  });

  it("is renewed at different times by different clients", async () => {
    const server = await startServer();
    const opened = open(server.url, { token: () => "any", random: () => 0 });
    (await server.accept()).greet(LIFETIME);
    await opened.events.next("open");
    opened.clock.advance(7499);
    assert.equal(server.waiting, 0);
    opened.clock.advance(1);
    await server.accept();
  });

  it("is asked at most once a second", async () => {
    const server = await startServer();
    let tokens = 0;
    const opened = open(server.url, { token: () => `token-${(tokens += 1)}` });
    (await server.accept()).greet({ expiresIn: 0 });
    await opened.events.next("open");
    opened.clock.advance(999);
    assert.equal(tokens, 1);
    opened.clock.advance(1);
    assert.equal(tokens, 2);
  });

  it("is renewed for a channel whose subscribe is still pending, without a loss", async () => {
    const opened = await openRenewing();
    const { connection, accepted: before } = opened;
    const { read } = join(connection, ROOM, { last: 9 });
    await before.nextRequest();
    const after = (await renew(opened)).greet();
    await opened.events.next("open");
    // Only one of the two connections determines where the channel begins.
    assert.equal(await after.countFrames(), 0);
    before.subscribed("e", 3).deliver(4);
    assert.deepEqual(await read(2), ["at e 3", "e 4"]);
    assert.deepEqual(await after.nextRequest(), { subscribe: ROOM, epoch: "e", offset: 3 });
    after.subscribed("e", 3).deliver(4, 5);
    assert.deepEqual(await read(2), ["at e 3", "e 5"]);
    await before.closed;
  });

  it("is renewed by a connection that requests the channel, if the first one is lost before the answer", async () => {
    const opened = await openRenewing();
    const { connection, events, accepted: before } = opened;
    const { read } = join(connection);
    await before.nextRequest();
    const after = (await renew(opened)).greet();
    await events.next("open");
    before.terminate();
    assert.deepEqual(await after.nextRequest(), { subscribe: ROOM });
    after.subscribed("e", 3).deliver(4);
    assert.deepEqual(await read(2), ["at e 3", "e 4"]);
    const published = connection.publish(ROOM, 1);
    after.ack(await after.nextPublish(), 5);
    await published;
  });

  it("keeps the first connection while the next one fails, and tries again", async () => {
    const opened = await openRenewing();
    const { connection, clock, events, accepted: before } = opened;
    const { read } = join(connection);
    await before.nextRequest();
    before.subscribed();
    (await renew(opened)).close(1011, "broken");
    const { code, message } = await events.next("error");
    assert.deepEqual([code, message], ["renewal_failed", "The new connection failed: broken."]);
    before.deliver(1);
    assert.deepEqual(await read(2), ["at e 0", "e 1"]);
    clock.advance(8000);
    const after = (await opened.server.accept()).greet();
    assert.deepEqual(after.protocols, ["channels.v1", "bearer.token-3"]);
    await after.nextRequest();
    after.subscribed("e", 1);
    await before.closed;
    assert.equal(connection.state, "open");
  });

  it("reconnects if the next connection is lost after it has taken over a channel", async () => {
    const opened = await openRenewing();
    const { connection, events, accepted: before } = opened;
    const one = join(connection, "one");
    join(connection, "two");
    await before.nextRequests(2);
    before.subscribed("e", 0, "one").subscribed("e", 0, "two");
    const after = (await renew(opened)).greet();
    await after.nextRequests(2);
    after.subscribed("e", 0, "one").deliverTo("one", 1).close(1001);
    assert.deepEqual(await one.read(3), ["at e 0", "at e 0", "e 1"]);
    await events.next("error");
    await retry(opened);
    await before.closed;
    const third = (await opened.server.accept()).greet();
    assert.deepEqual(await third.nextRequests(2), [
      { subscribe: "one", epoch: "e", offset: 1 },
      { subscribe: "two", epoch: "e", offset: 0 },
    ]);
  });

  it("ends only the channels that the new token does not grant", async () => {
    const opened = await openRenewing();
    const { connection, accepted: before } = opened;
    const [kept, lost] = [join(connection, "kept"), join(connection, "lost")];
    await before.nextRequests(2);
    before.subscribed("e", 0, "kept").subscribed("e", 0, "lost");
    const after = (await renew(opened)).greet();
    await after.nextRequests(2);
    after.subscribed("e", 0, "kept").rejectSubscribe("forbidden", "lost");
    assert.equal((await lost.channel.closed)?.code, "forbidden");
    await before.closed;
    after.deliverTo("kept", 1);
    assert.deepEqual(await kept.read(3), ["at e 0", "at e 0", "e 1"]);
  });

  it("keeps the positions, if the epoch changes on the first connection meanwhile", async () => {
    const opened = await openRenewing();
    const { connection, accepted: before } = opened;
    const { read } = join(connection);
    await before.nextRequest();
    before.subscribed("e", 7);
    await read(1);
    const after = (await renew(opened)).greet();
    await after.nextRequest();
    before.subscribed("f", 0).gap("e", 8).deliver(1, 2);
    assert.deepEqual(await read(4), ["at f 0", "gap e 8-", "f 1", "f 2"]);
    // The task of the second connection notices the new epoch later.
    after.subscribed("e", 7).deliver(8).subscribed("f", 0).gap("e", 9).deliver(1, 2, 3);
    assert.deepEqual(await read(3), ["at e 7", "at f 0", "f 3"]);
  });

  it("has no gap of the first connection after the second one has taken over the channel", async () => {
    const opened = await openRenewing();
    const { connection, accepted: before } = opened;
    const { read } = join(connection);
    const other = join(connection, "other");
    await before.nextRequests(2);
    before.subscribed().subscribed("e", 0, "other");
    await read(1);
    await other.read(1);
    const after = (await renew(opened)).greet();
    await after.nextRequests(2);
    after.subscribed().deliver(1);
    assert.deepEqual(await read(2), ["at e 0", "e 1"]);
    // The first connection is slower, and the log no longer has what it has not delivered.
    before.gap("e", 1, 3).deliverTo("other", 1);
    assert.deepEqual(await other.read(1), ["e 1"]);
    after.deliver(2);
    assert.deepEqual(await read(1), ["e 2"]);
  });
});
