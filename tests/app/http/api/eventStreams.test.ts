import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { ServerResponse } from "node:http";

import { FULL_ACCESS } from "../../../../app/src/auth/authorize.ts";
import type { Authorizer } from "../../../../app/src/auth/authorize.ts";
import { waitUntil } from "../../../support/waitUntil.ts";
import { ManualLog, memoryLog } from "../../support/logs.ts";
import { startServer, UNLIMITED } from "../../support/server.ts";
import type { TestServer } from "../../support/server.ts";
import { afterwards, tearDown } from "../../support/teardown.ts";
import { API_KEYS, KEY, messagesOf, problemIn, send } from "./apiClient.ts";
import { follow, openStream } from "./eventClient.ts";

async function publish({ hub }: TestServer, payload: string, publisher?: string): Promise<string> {
  const { epoch } = await hub.publish({ channel: "room.7", payload, publisher });
  return epoch;
}

const EVENTS = { Accept: "text/event-stream" };

describe("an event stream", () => {
  afterEach(tearDown);

  it("has the messages after its start, each with its position", async () => {
    const server = await startServer();
    const epoch = await publish(server, '"before"');
    const stream = await follow(messagesOf(server.origin));
    assert.equal(stream.lastId, `${epoch}-1`);
    assert.equal(server.connections(), 1);
    await publish(server, '{"a":"ä\\n"}', "alice");
    await publish(server, "3");
    assert.deepEqual(await stream.next(), {
      type: "message",
      id: `${epoch}-2`,
      data: { offset: 2, message: { a: "ä\n" }, from: "alice" },
    });
    assert.equal((await stream.next()).id, `${epoch}-3`);
    assert.equal(server.metrics.counts.deliveries, 2);
    stream.close();
    await waitUntil(() => server.connections() === 0);
  });

  it("starts with the last messages, or after a position", async () => {
    const server = await startServer();
    let epoch = "";
    for (let n = 1; n <= 3; n++) epoch = await publish(server, String(n));
    assert.equal(await (await follow(`${messagesOf(server.origin)}?last=2`)).nextMessage(), 2);
    assert.equal(
      await (await follow(`${messagesOf(server.origin)}?epoch=${epoch}&offset=2`)).nextMessage(),
      3,
    );
  });

  it("resumes after the last event, whatever the query asks for", async () => {
    const server = await startServer();
    const url = `${messagesOf(server.origin)}?last=1`;
    await publish(server, "1");
    const stream = await follow(url);
    assert.equal(await stream.nextMessage(), 1);
    stream.close();
    await publish(server, "2");
    await publish(server, "3");
    const resumed = await follow(url, { "Last-Event-ID": stream.lastId });
    assert.deepEqual([await resumed.nextMessage(), await resumed.nextMessage()], [2, 3]);
  });

  it("reports a gap before the messages after it", async () => {
    const server = await startServer({}, { log: memoryLog(100) });
    let epoch = "";
    for (let n = 1; n <= 5; n++) epoch = await publish(server, `"${"x".repeat(40)}"`);
    const stream = await follow(messagesOf(server.origin), { "Last-Event-ID": `${epoch}-1` });
    const gap = await stream.next();
    const { offset } = (await stream.next()).data as { readonly offset: number };
    assert.equal(gap.type, "gap");
    assert.deepEqual(gap.data, { epoch, from: 2, to: offset - 1 });
    const other = await follow(messagesOf(server.origin), { "Last-Event-ID": "other-7" });
    const lost = await other.next();
    assert.deepEqual([lost.type, lost.data], ["gap", { epoch: "other", from: 8 }]);
    assert.equal(((await other.next()).data as { readonly offset: number }).offset, offset);
  });

  it("reports that the log has begun another epoch", async () => {
    const log = new ManualLog();
    const server = await startServer({}, { log });
    const opening = openStream(messagesOf(server.origin));
    await waitUntil(() => log.readers.size === 1);
    const reader = log.reader("room.7");
    reader.started({ epoch: "1", next: 5 });
    const stream = await opening;
    reader.entries([{ offset: 5, record: "5" }]);
    assert.equal((await stream.next()).id, "1-5");
    reader.started({ epoch: "2", next: 1 });
    assert.deepEqual(await stream.next(), { type: "gap", id: "2-0", data: { epoch: "1", from: 6 } });
    reader.entries([{ offset: 1, record: "1" }]);
    assert.equal((await stream.next()).id, "2-1");
  });

  it("delivers much more than the socket accepts, in order, to a client that reads late", async () => {
    const server = await startServer({ ...UNLIMITED, retainedBytes: 32 << 20, cacheMib: 64 });
    const stream = await follow(messagesOf(server.origin));
    stream.response.pause();
    const count = 300;
    for (let n = 1; n <= count; n++) await publish(server, `"${"x".repeat(60_000)}"`);
    stream.response.resume();
    for (let n = 1; n <= count; n++) {
      const { type, data } = await stream.next();
      assert.equal(type, "message");
      assert.equal((data as { readonly offset: number }).offset, n);
    }
  });

  it("writes nothing more while the system has not taken what was written", async () => {
    const responses: ServerResponse[] = [];
    const onRequest = (event: unknown): void => {
      responses.push((event as { readonly response: ServerResponse }).response);
    };
    subscribe("http.server.request.start", onRequest);
    afterwards(() => unsubscribe("http.server.request.start", onRequest));
    const server = await startServer({ ...UNLIMITED, retainedBytes: 32 << 20 });
    const slow = await follow(messagesOf(server.origin));
    const [response] = responses;
    assert.ok(response !== undefined);
    slow.response.pause();
    // The server writes to it after the slow one.
    const other = await follow(messagesOf(server.origin));
    const payload = `"${"x".repeat(20_000)}"`;
    for (let n = 0; n < 2_000 && response.writableLength === 0; n++) {
      await publish(server, payload);
      await other.next();
    }
    const waiting = response.writableLength;
    assert.ok(waiting > 0);
    await publish(server, payload);
    await other.next();
    assert.ok(response.writableLength <= waiting, `${response.writableLength} > ${waiting}`);
    slow.response.resume();
    await publish(server, '"last"');
    while ((await slow.nextMessage()) !== "last");
  });

  it("has a comment for each heartbeat", async () => {
    const server = await startServer({ heartbeatSeconds: 1 });
    const stream = await follow(messagesOf(server.origin));
    await waitUntil(() => stream.comments >= 2);
  });

  it("ends when the client reads nothing", async () => {
    const server = await startServer(
      { heartbeatSeconds: 1, retainedBytes: 32 << 20 },
      { limits: { writeTimeoutMs: 100 } },
    );
    const stream = await follow(messagesOf(server.origin));
    stream.response.pause();
    for (let n = 1; n <= 300; n++) await publish(server, `"${"x".repeat(60_000)}"`);
    await waitUntil(() => server.connections() === 0, { forMs: 10_000, everyMs: 50 });
    assert.equal(server.subscriptions(), 0);
  });

  it("ends when everything is delivered, if the task drains", async () => {
    const server = await startServer();
    const stream = await follow(messagesOf(server.origin));
    await publish(server, "1");
    await server.drain();
    assert.equal(await stream.nextMessage(), 1);
    await waitUntil(() => stream.hasEnded);
    problemIn(await send(messagesOf(server.origin), { headers: EVENTS }), {
      status: 503,
      code: "unavailable",
    });
  });

  it("ends when its token expires", async () => {
    const authorize: Authorizer = () =>
      Promise.resolve({
        granted: true,
        access: FULL_ACCESS,
        subject: "alice",
        expiresAt: Date.now() - 4_500,
      });
    const server = await startServer({}, { authorize });
    const stream = await follow(messagesOf(server.origin));
    assert.equal(stream.hasEnded, false);
    await waitUntil(() => stream.hasEnded);
  });

  it("counts for the limits of connections, subscriptions and channels", async () => {
    for (const [settings, code] of [
      [{ maxConnections: 1 }, "unavailable"],
      [{ connectionsPerUser: 1 }, "rate_limited"],
      [{ channelsPerUser: 1 }, "too_many_channels"],
      [{ maxSubscriptions: 1 }, "too_many_channels"],
    ] as const) {
      const { origin } = await startServer(settings);
      const first = await follow(messagesOf(origin, "a"));
      const answer = await send(messagesOf(origin, "b"), { headers: EVENTS });
      problemIn(answer, { status: code === "unavailable" ? 503 : 429, code });
      first.close();
      await waitUntil(async () => {
        const stream = await openStream(messagesOf(origin, "b"));
        stream.close();
        return stream.response.statusCode === 200;
      });
    }
  });

  it("is closed by the application, with the other connections of its user", async () => {
    const authorize: Authorizer = ({ authorization }) =>
      Promise.resolve({ granted: true, access: FULL_ACCESS, subject: authorization ?? "" });
    const server = await startServer({ apiKeys: API_KEYS }, { authorize });
    const own = await follow(messagesOf(server.origin), { Authorization: "alice/1" });
    const another = await follow(messagesOf(server.origin), { Authorization: "bob" });
    const url = `${server.origin}/users/alice%2F1/connections`;
    problemIn(await send(url, { method: "DELETE" }), { status: 401, code: "unauthorized" });
    const { body } = await send(url, { method: "DELETE", headers: { "X-Api-Key": KEY } });
    assert.deepEqual(body, { disconnected: 1 });
    await waitUntil(() => own.hasEnded);
    await publish(server, "1");
    assert.equal(await another.nextMessage(), 1);
  });

  it("is refused for an id that is none", async () => {
    const { origin } = await startServer();
    for (const id of ["1", "-1", "a-", "a-x", `${"x".repeat(129)}-1`]) {
      const answer = await send(messagesOf(origin), { headers: { ...EVENTS, "Last-Event-ID": id } });
      problemIn(answer, { status: 400, code: "invalid_request" });
    }
  });
});
