import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";

import { FULL_ACCESS } from "../../../../app/src/auth/authorize.ts";
import type { Authorizer } from "../../../../app/src/auth/authorize.ts";
import {
  MAX_READS,
  MAX_READS_OF_BACKENDS,
  MAX_READS_PER_USER,
} from "../../../../app/src/http/api/history.ts";
import type { LogPosition, MessageLog } from "../../../../app/src/log/log.ts";
import { MIB } from "../../../../app/src/settings/units.ts";
import { waitUntil } from "../../../support/waitUntil.ts";
import { recordLog } from "../../support/logLines.ts";
import { ManualLog, memoryLog } from "../../support/logs.ts";
import { startServer, UNLIMITED } from "../../support/server.ts";
import type { TestServer } from "../../support/server.ts";
import { tearDown } from "../../support/teardown.ts";
import { API_KEYS, KEY, messagesOf, problemIn, send } from "./apiClient.ts";
import type { Answer } from "./apiClient.ts";
import { follow } from "./eventClient.ts";

interface History {
  readonly epoch: string;
  readonly messages: readonly {
    readonly offset: number;
    readonly message: unknown;
    readonly from?: string;
  }[];
  readonly gap?: unknown;
  readonly more?: true;
}

async function publish({ hub }: TestServer, payload: string, publisher?: string): Promise<string> {
  const { epoch } = await hub.publish({ channel: "room.7", payload, publisher });
  return epoch;
}

async function read(server: TestServer, query = ""): Promise<History> {
  const { status, body } = await send(`${messagesOf(server.origin)}${query}`);
  assert.equal(status, 200, JSON.stringify(body));
  return body as History;
}

const offsetsOf = ({ messages }: History): readonly number[] => messages.map(({ offset }) => offset);

/** Sends a request, and closes its connection when the read has begun. Resolves when the server has noticed it. */
async function leave(url: string, hasBegun: () => boolean): Promise<void> {
  const leaving = httpRequest(url, { agent: false });
  leaving.on("error", () => undefined);
  leaving.end();
  await waitUntil(hasBegun);
  const closed = new Promise((resolve) => leaving.once("close", resolve));
  leaving.destroy();
  await closed;
  // The server has seen the end of the connection when it has answered a later one.
  await send(new URL("/health", url).href);
}

describe("the history by HTTP", () => {
  afterEach(tearDown);

  it("has the last messages, with their publishers", async () => {
    const server = await startServer();
    await publish(server, '{"a":1}', "alice");
    const epoch = await publish(server, "2");
    assert.deepEqual(await read(server), {
      epoch,
      messages: [
        { offset: 1, message: { a: 1 }, from: "alice" },
        { offset: 2, message: 2 },
      ],
    });
    assert.deepEqual(offsetsOf(await read(server, "?last=1")), [2]);
  });

  it("has 50 messages unless the request names a number", async () => {
    const server = await startServer();
    for (let n = 1; n <= 60; n++) await publish(server, String(n));
    const history = await read(server);
    assert.equal(history.messages.length, 50);
    assert.equal(history.messages[0]?.offset, 11);
    assert.equal(history.more, undefined);
  });

  it("of an empty channel has no message", async () => {
    const { messages, epoch } = await read(await startServer());
    assert.deepEqual(messages, []);
    assert.notEqual(epoch, "");
  });

  it("continues after a position, page by page", async () => {
    const server = await startServer();
    let epoch = "";
    for (let n = 1; n <= 5; n++) epoch = await publish(server, String(n));
    const first = await read(server, `?epoch=${epoch}&offset=1&limit=3`);
    assert.deepEqual([offsetsOf(first), first.more, first.gap], [[2, 3, 4], true, undefined]);
    const rest = await read(server, `?epoch=${epoch}&offset=4&limit=3`);
    assert.deepEqual([offsetsOf(rest), rest.more, rest.gap], [[5], undefined, undefined]);
    const none = await read(server, `?epoch=${epoch}&offset=5`);
    assert.deepEqual([offsetsOf(none), none.more, none.gap], [[], undefined, undefined]);
  });

  it("reports what the log does not have", async () => {
    const server = await startServer({}, { log: memoryLog(100) });
    let epoch = "";
    for (let n = 1; n <= 5; n++) epoch = await publish(server, `"${"x".repeat(40)}"`);
    const dropped = await read(server, `?epoch=${epoch}&offset=0`);
    const first = dropped.messages[0]?.offset ?? 0;
    assert.ok(first > 1);
    assert.deepEqual(dropped.gap, { epoch, from: 1, to: first - 1 });
    const ahead = await read(server, `?epoch=${epoch}&offset=7`);
    assert.deepEqual([ahead.messages, ahead.gap], [[], { epoch, from: 6 }]);
    const another = await read(server, "?epoch=another&offset=7");
    assert.deepEqual([another.epoch, another.gap], [epoch, { epoch: "another", from: 8 }]);
    assert.deepEqual(offsetsOf(another), offsetsOf(dropped));
  });

  it("has at most 1 MiB, and continues", async () => {
    const server = await startServer({ ...UNLIMITED, retainedBytes: 4 << 20 });
    let epoch = "";
    for (let n = 1; n <= 24; n++) epoch = await publish(server, `"${"x".repeat(60_000)}"`);
    const first = await read(server, `?epoch=${epoch}&offset=0`);
    assert.ok(first.messages.length < 24);
    assert.equal(first.more, true);
    const rest = await read(server, `?epoch=${epoch}&offset=${first.messages.length}`);
    assert.deepEqual(
      [...offsetsOf(first), ...offsetsOf(rest)],
      Array.from({ length: 24 }, (_, n) => n + 1),
    );
  });

  for (const [query, key] of [
    ["?last=0", "last"],
    ["?last=1001", "last"],
    ["?last=1&last=2", "last"],
    ["?last=x", "last"],
    ["?last=1&epoch=a&offset=1", "last"],
    ["?epoch=a", "offset"],
    ["?offset=1", "epoch"],
    ["?epoch=a&offset=-1", "offset"],
    ["?epoch=a&offset=1&limit=0", "limit"],
    ["?limit=5", "limit"],
    ["?lasst=5", "lasst"],
    [`?epoch=${"x".repeat(129)}&offset=1`, "epoch"],
  ] as const) {
    it(`is refused for ${query.slice(0, 40)}, which names ${key}`, async () => {
      const { origin } = await startServer();
      const answer = await send(`${messagesOf(origin)}${query}`);
      assert.match(
        problemIn(answer, { status: 400, code: "invalid_request" }),
        new RegExp(`^\`${key}\`: got .*; expected `),
      );
    });
  }

  it("names the parameters if it has another one", async () => {
    const { origin } = await startServer();
    assert.equal(
      problemIn(await send(`${messagesOf(origin)}?lasst=5`), { status: 400, code: "invalid_request" }),
      "`lasst`: got an unknown parameter; expected one of last, epoch, offset, limit.",
    );
  });

  it("is refused if the log does not answer", async () => {
    const { origin } = await startServer({}, { log: new ManualLog() });
    problemIn(await send(messagesOf(origin)), { status: 503, code: "unavailable" });
  });

  it("is refused if the user enters channels too often", async () => {
    const { origin } = await startServer({ channelsPerUser: 1, messageBurst: 1000 });
    let answer = await send(messagesOf(origin));
    assert.equal(answer.status, 200);
    for (let n = 0; n < 500 && answer.status === 200; n++) answer = await send(messagesOf(origin, `c${n}`));
    problemIn(answer, { status: 429, code: "rate_limited" });
  });

  it("charges its bytes to the user", async () => {
    const server = await startServer({ bytesPerSecondPerUser: 1024, maxPayloadBytes: 1024 });
    await publish(server, `"${"x".repeat(1000)}"`);
    let answer = await send(messagesOf(server.origin));
    assert.equal(answer.status, 200);
    for (let n = 0; n < 12 && answer.status === 200; n++) answer = await send(messagesOf(server.origin));
    problemIn(answer, { status: 429, code: "rate_limited" });
  });

  it("reads nothing for a user that has no bytes left", async () => {
    const memory = memoryLog();
    let reads = 0;
    const log: MessageLog = {
      ...memory,
      read: (...parameters) => {
        reads += 1;
        return memory.read(...parameters);
      },
    };
    const settings = { bytesPerSecondPerUser: 1024, maxPayloadBytes: 1024, apiKeys: API_KEYS };
    const server = await startServer({ ...UNLIMITED, ...settings }, { log });
    for (let n = 0; n < 40; n++) await publish(server, `"${"x".repeat(1000)}"`);
    for (const headers of [{}, { "X-Api-Key": KEY }]) {
      // One answer has at most the burst, after which there are no bytes.
      const { body } = await send(`${messagesOf(server.origin)}?last=40`, { headers });
      const { messages, more } = body as History;
      assert.ok(messages.length >= 7 && messages.length < 12, String(messages.length));
      assert.equal(more, true);
      const before = reads;
      const answer = await send(messagesOf(server.origin), { headers });
      problemIn(answer, { status: 429, code: "rate_limited" });
      assert.equal(reads, before);
    }
  });

  it("is refused beyond so many reads at a time, of a user, of all backends and of a task", async () => {
    const log = new ManualLog();
    const end = Promise.withResolvers<LogPosition>();
    let reads = 0;
    log.onEnd = () => {
      reads += 1;
      return end.promise;
    };
    log.onRead = () => Promise.resolve({ from: { epoch: "e", next: 1 }, entries: [] });
    const authorize: Authorizer = ({ authorization = "" }) =>
      Promise.resolve({ granted: true, access: FULL_ACCESS, subject: authorization });
    const { origin } = await startServer({ ...UNLIMITED, apiKeys: API_KEYS }, { log, authorize });
    const begun: Promise<Answer>[] = [];
    const begin = async (headers: Readonly<Record<string, string>>, count: number): Promise<void> => {
      for (let n = 0; n < count; n++) begun.push(send(messagesOf(origin), { headers }));
      await waitUntil(() => reads === begun.length);
    };
    const backend = { "X-Api-Key": KEY };
    await begin(backend, MAX_READS_OF_BACKENDS);
    problemIn(await send(messagesOf(origin), { headers: backend }), { status: 429, code: "rate_limited" });
    const alice = { Authorization: "alice" };
    await begin(alice, MAX_READS_PER_USER);
    problemIn(await send(messagesOf(origin), { headers: alice }), { status: 429, code: "rate_limited" });
    await begin({ Authorization: "bob" }, MAX_READS - reads);
    const carol = { Authorization: "carol" };
    problemIn(await send(messagesOf(origin), { headers: carol }), { status: 503, code: "unavailable" });
    end.resolve({ epoch: "e", next: 1 });
    for (const answer of await Promise.all(begun)) assert.equal(answer.status, 200);
    for (const headers of [backend, alice, carol]) {
      assert.equal((await send(messagesOf(origin), { headers })).status, 200);
    }
  });

  it("keeps nothing for clients that leave while the log is read", async () => {
    const memory = memoryLog(4 * MIB);
    let gate: PromiseWithResolvers<undefined> | undefined;
    let hasBegun = false;
    const log: MessageLog = {
      ...memory,
      async read(channel, ...parameters) {
        if (channel === "left" && gate !== undefined) {
          hasBegun = true;
          await gate.promise;
        }
        return memory.read(channel, ...parameters);
      },
    };
    const limits = { maxUntakenBytes: MIB };
    const server = await startServer({ ...UNLIMITED, retainedBytes: 32 * MIB }, { log, limits });
    const payload = `"${"x".repeat(60_000)}"`;
    for (let n = 0; n < 17; n++) await server.hub.publish({ channel: "left", payload });
    // Its socket holds bytes. An answer that is kept beside them exceeds the limit, which ends the older client.
    const slow = await follow(messagesOf(server.origin));
    slow.response.pause();
    for (let n = 0; n < 300; n++) await publish(server, payload);
    for (let n = 0; n < 6; n++) {
      gate = Promise.withResolvers<undefined>();
      hasBegun = false;
      await leave(messagesOf(server.origin, "left"), () => hasBegun);
      gate.resolve(undefined);
      await send(`${server.origin}/health`);
    }
    assert.equal((await send(messagesOf(server.origin, "empty"))).status, 200);
    assert.equal(server.connections(), 1);
  });

  it("logs no error if the log does not answer, and the client has left", async () => {
    const log = new ManualLog();
    const end = Promise.withResolvers<LogPosition>();
    let hasBegun = false;
    log.onEnd = () => {
      hasBegun = true;
      return end.promise;
    };
    const { logger, lines } = recordLog("warn");
    const { origin } = await startServer({}, { log, logger });
    await leave(messagesOf(origin), () => hasBegun);
    end.reject(new Error("away"));
    assert.equal((await send(`${origin}/health`)).status, 200);
    assert.deepEqual(lines, []);
  });

  it("begins again if the log begins another epoch meanwhile", async () => {
    const log = new ManualLog();
    const ends: LogPosition[] = [
      { epoch: "1", next: 3 },
      { epoch: "2", next: 6 },
    ];
    log.onEnd = () => Promise.resolve(ends.shift() ?? assert.fail("too many reads"));
    log.onRead = (_channel, { epoch, next }) => {
      const from = { epoch: "2", next: epoch === "2" ? next : 1 };
      const entries = [1, 2, 3, 4, 5].map((offset) => ({ offset, record: String(offset) }));
      return Promise.resolve({ from, entries: entries.slice(from.next - 1) });
    };
    const server = await startServer({}, { log });
    const last = await read(server, "?last=2");
    assert.deepEqual([last.epoch, offsetsOf(last)], ["2", [4, 5]]);
    ends.push({ epoch: "1", next: 3 }, { epoch: "2", next: 6 });
    const page = await read(server, "?epoch=1&offset=2&limit=2");
    assert.deepEqual(offsetsOf(page), [1, 2]);
    assert.deepEqual([page.gap, page.more], [{ epoch: "1", from: 3 }, true]);
  });

  it("is refused if the log begins other epochs again and again", async () => {
    const log = new ManualLog();
    let epoch = 0;
    log.onEnd = () => Promise.resolve({ epoch: `${++epoch}`, next: 3 });
    log.onRead = () => Promise.resolve({ from: { epoch: `${++epoch}`, next: 1 }, entries: [] });
    const { origin } = await startServer({}, { log });
    problemIn(await send(messagesOf(origin)), { status: 503, code: "unavailable" });
  });
});
