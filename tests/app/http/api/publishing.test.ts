import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest } from "node:http";

import { FULL_ACCESS } from "../../../../app/src/auth/authorize.ts";
import type { Authorizer } from "../../../../app/src/auth/authorize.ts";
import { MAX_BATCH_BYTES } from "../../../../app/src/http/api/publish/publishing.ts";
import { ManualLog } from "../../support/logs.ts";
import { connectChannels } from "../../support/channelsClient.ts";
import { connect } from "../../support/client.ts";
import { startServer, UNLIMITED } from "../../support/server.ts";
import { afterwards, tearDown } from "../../support/teardown.ts";
import { due, waitUntil } from "../../../support/waitUntil.ts";
import { API_KEYS, KEY, messagesOf, post, PREVIOUS_KEY, problemIn, send } from "./apiClient.ts";

const NDJSON = { "Content-Type": "application/x-ndjson" };

/** Sends the beginning of a body that is never complete. Resolves with the status of the answer. */
function beginBody(url: string, user: string, bytes: number): Promise<number | undefined> {
  const headers = { ...NDJSON, Authorization: user };
  const request = httpRequest(url, { agent: false, method: "POST", headers });
  request.on("error", () => undefined);
  afterwards(() => request.destroy());
  request.write("x".repeat(bytes));
  return new Promise((resolve) => {
    request.once("response", ({ statusCode }) => {
      resolve(statusCode);
    });
  });
}

describe("a publish by HTTP", () => {
  afterEach(tearDown);

  it("is stored, and delivered like any other", async () => {
    const { origin, url } = await startServer();
    const client = await connect(`${url}/room.7`);
    const { status, body } = await post(messagesOf(origin), '{ "a": [1, "ä"] }');
    assert.equal(status, 201);
    const { epoch, offset } = body as { epoch: string; offset: number };
    assert.ok(epoch.length > 0);
    assert.equal(offset, 1);
    assert.deepEqual(await client.nextMessage(), { a: [1, "ä"] });
  });

  it("reaches the default channel as %2F", async () => {
    const { origin, url } = await startServer();
    const client = await connect(url);
    assert.equal((await post(messagesOf(origin, "%2F"), "1")).status, 201);
    assert.equal(await client.nextMessage(), 1);
  });

  it("is stored once for each Idempotency-Key", async () => {
    const { origin } = await startServer();
    const first = await post(messagesOf(origin), "1", { "Idempotency-Key": "a" });
    const again = await post(messagesOf(origin), "1", { "Idempotency-Key": "a" });
    assert.equal(first.status, 201);
    assert.equal(again.status, 200);
    assert.deepEqual(again.body, { ...(first.body as object), duplicate: true });
    const other = await post(messagesOf(origin), "2", { "Idempotency-Key": "a" });
    problemIn(other, { status: 409, code: "id_in_use" });
    const next = await post(messagesOf(origin), "1", { "Idempotency-Key": "b" });
    assert.equal((next.body as { offset: number }).offset, 2);
  });

  for (const [name, body, status, code] of [
    ["no JSON", "{", 400, "invalid_json"],
    ["nothing", "", 400, "invalid_json"],
    ["no UTF-8", Buffer.from([0x22, 0xff, 0x22]), 400, "invalid_json"],
    ["a value that is too deep", "[".repeat(65) + "]".repeat(65), 400, "too_deep"],
    ["a number that would change", "9007199254740993", 400, "unsafe_number"],
    ["a large body", `"${"x".repeat(140)}"`, 413, "too_large"],
    ["a value that is large in canonical form", `[${"1e20,".repeat(25)}1]`, 413, "too_large"],
  ] as const) {
    it(`with ${name} is refused as ${code}`, async () => {
      const { origin, metrics } = await startServer({ maxPayloadBytes: 140 });
      const answer = await post(messagesOf(origin), body);
      problemIn(answer, { status, code });
      assert.equal(metrics.snapshot().tally.publishesRefused[code], 1);
      assert.equal((await post(messagesOf(origin), "1")).status, 201);
    });
  }

  it("is refused if the path, the type or the key is not legal", async () => {
    const { origin } = await startServer();
    for (const channel of ["a%20b", "x".repeat(65), "..%2F"]) {
      problemIn(await post(messagesOf(origin, channel), "1"), { status: 400, code: "invalid_channel" });
    }
    problemIn(await post(messagesOf(origin, "%E0%A4%A"), "1"), { status: 400, code: "invalid_request" });
    for (const headers of [{ "Content-Type": "text/plain" }, { "Content-Encoding": "gzip" }]) {
      problemIn(await post(messagesOf(origin), "1", headers), {
        status: 415,
        code: "unsupported_media_type",
      });
    }
    for (const key of ["", "x".repeat(129), "ä"]) {
      problemIn(await post(messagesOf(origin), "1", { "Idempotency-Key": key }), {
        status: 400,
        code: "invalid_request",
      });
    }
    problemIn(await send(messagesOf(origin), { method: "PUT" }), { status: 405, code: "method_not_allowed" });
    problemIn(await send(`${origin}/channels/a`), { status: 404, code: "not_found" });
  });

  it("of a chunked body is bounded by the bytes that arrive", async () => {
    const { origin } = await startServer({ maxPayloadBytes: 100 });
    const request = httpRequest(messagesOf(origin), {
      method: "POST",
      headers: { "Content-Type": "application/json", "Transfer-Encoding": "chunked" },
    });
    request.on("error", () => undefined);
    const answered = once(request, "response");
    for (let n = 0; n < 20; n++) request.write('"xxxxxxxxxx"');
    const [response] = (await due(answered, "an answer")) as [{ statusCode: number; destroy(): void }];
    assert.equal(response.statusCode, 413);
    request.destroy();
  });

  it("is refused if the task holds too much: the oldest body of the user that holds most", async () => {
    const authorize: Authorizer = ({ authorization = "" }) =>
      Promise.resolve({ granted: true, access: FULL_ACCESS, subject: authorization });
    const limits = { maxHeldBytes: 100_000 };
    const { origin } = await startServer(UNLIMITED, { authorize, limits });
    const begun = [1, 2].map(() => beginBody(messagesOf(origin), "mallory", 60_000));
    assert.equal(await due(Promise.race(begun), "a refusal"), 503);
    const body = `"${"x".repeat(59_000)}"`;
    for (let n = 0; n < 3; n++) {
      assert.equal((await post(messagesOf(origin), body, { Authorization: "alice" })).status, 201);
    }
  });

  it("is stored while other clients have announced bodies that do not arrive", async () => {
    const { origin, metrics } = await startServer(UNLIMITED, { limits: { maxHeldBytes: MAX_BATCH_BYTES } });
    for (let n = 0; n < 4; n++) void beginBody(messagesOf(origin), "idle", 1);
    // The server has begun to read them when it has answered later requests.
    for (let n = 0; n < 4; n++) {
      assert.equal((await post(messagesOf(origin), '{"message":1}', NDJSON)).status, 200);
    }
    assert.equal(metrics.snapshot().tally.publishesRefused["unavailable"], undefined);
  });

  it("keeps no memory for clients that leave while their token is checked", async () => {
    const checks = new Set<() => void>();
    let mustWait = true;
    const authorize: Authorizer = async () => {
      if (mustWait) await new Promise<void>((resolve) => checks.add(resolve));
      return { granted: true, access: FULL_ACCESS, subject: "alice" };
    };
    const limits = { maxHeldBytes: MAX_BATCH_BYTES };
    const { origin } = await startServer(UNLIMITED, { authorize, limits });
    const leaving = httpRequest(messagesOf(origin), { agent: false, method: "POST", headers: NDJSON });
    leaving.on("error", () => undefined);
    leaving.write('{"message":1}');
    await waitUntil(() => checks.size === 1);
    const closed = new Promise((resolve) => leaving.once("close", resolve));
    leaving.destroy();
    await closed;
    mustWait = false;
    // The server has seen the end of the connection when it has answered a later one.
    await send(`${origin}/health`);
    for (const resolve of checks) resolve();
    assert.equal((await post(messagesOf(origin), '{"message":1}', NDJSON)).status, 200);
  });

  it("is refused if the log does not store it, and can be repeated with its key", async () => {
    const log = new ManualLog();
    const { origin } = await startServer({}, { log });
    const answering = post(messagesOf(origin), "1", { "Idempotency-Key": "a" });
    await waitUntil(() => log.appends.length === 1);
    log.appends[0]?.answer.reject(new Error("away"));
    const answer = await answering;
    problemIn(answer, { status: 503, code: "unavailable" });
    assert.equal(answer.headers.get("retry-after"), "5");
    const again = post(messagesOf(origin), "1", { "Idempotency-Key": "a" });
    await waitUntil(() => log.appends.length === 2);
    log.appends[1]?.answer.resolve({ epoch: "e", offset: 1, duplicate: true });
    assert.equal((await again).status, 200);
  });

  it("is answered before the task has drained", async () => {
    const log = new ManualLog();
    const server = await startServer({}, { log });
    const answering = post(messagesOf(server.origin), "1");
    await waitUntil(() => log.appends.length === 1);
    const drained = server.drain();
    log.appends[0]?.answer.resolve({ epoch: "e", offset: 1, duplicate: false });
    await drained;
    const answered = server.close();
    assert.equal((await answering).status, 201);
    await answered;
  });

  describe("of many messages", () => {
    it("keeps their order, and answers each with a line", async () => {
      const { origin, url } = await startServer();
      const client = await connectChannels(url);
      await client.subscribe("room.7");
      const lines = [
        '{"message":1,"id":"a"}',
        '{"message":2}',
        "{",
        '{"id":"x"}',
        '{"message":1,"id":"a"}',
        "",
        '{"message":1e999}',
        '{"id":"b","message":[3]}',
      ];
      const { status, headers, body } = await post(messagesOf(origin), lines.join("\n"), NDJSON);
      assert.equal(status, 200);
      assert.equal(headers.get("content-type"), "application/x-ndjson");
      const answers = (body as string)
        .split("\n")
        .filter(Boolean)
        .map((line): unknown => JSON.parse(line));
      const kinds = answers.map((answer) => {
        const { offset, code, duplicate } = answer as { offset?: number; code?: string; duplicate?: true };
        return code ?? `${offset ?? ""}${duplicate === true ? " again" : ""}`;
      });
      assert.deepEqual(kinds, ["1", "2", "invalid_json", "invalid_message", "1 again", "unsafe_number", "3"]);
      assert.deepEqual(
        [await client.nextMessage(), await client.nextMessage(), await client.nextMessage()],
        [1, 2, [3]],
      );
    });

    it("has a limit of messages and of bytes", async () => {
      const { origin } = await startServer(UNLIMITED);
      const all = await post(messagesOf(origin), '{"message":1}\n'.repeat(100), NDJSON);
      assert.equal(all.status, 200);
      problemIn(await post(messagesOf(origin), '{"message":1}\n'.repeat(101), NDJSON), {
        status: 413,
        code: "too_large",
      });
      problemIn(await post(messagesOf(origin), " ".repeat(1024 * 1024 + 1), NDJSON), {
        status: 413,
        code: "too_large",
      });
    });

    it("is too large if it has more bytes than the user may send at once", async () => {
      const { origin } = await startServer({ bytesPerSecondPerUser: 1024, maxPayloadBytes: 1024 });
      const answer = await post(messagesOf(origin), '{"message":1}' + " ".repeat(9_000), NDJSON);
      problemIn(answer, { status: 413, code: "too_large" });
      assert.equal((await post(messagesOf(origin), '{"message":1}', NDJSON)).status, 200);
    });

    it("charges each message to the rate of the user, and a backend's to none", async () => {
      const settings = { messagesPerSecond: 1, messageBurst: 3, apiKeys: API_KEYS };
      const { origin } = await startServer(settings);
      const lines = '{"message":1}\n'.repeat(5);
      const limited = await post(messagesOf(origin), lines, NDJSON);
      assert.equal((limited.body as string).match(/"code":"rate_limited"/g)?.length, 2);
      const answer = await post(messagesOf(origin), "1");
      problemIn(answer, { status: 429, code: "rate_limited" });
      const backend = await post(messagesOf(origin), lines, { ...NDJSON, "X-Api-Key": KEY });
      assert.doesNotMatch(backend.body as string, /rate_limited/);
    });
  });

  it("charges its bytes to the user, a backend's too", async () => {
    const { origin } = await startServer({
      bytesPerSecondPerUser: 1024,
      maxPayloadBytes: 1024,
      apiKeys: API_KEYS,
    });
    const body = `"${"x".repeat(1000)}"`;
    for (const headers of [{}, { "X-Api-Key": KEY }]) {
      const answers = [];
      for (let n = 0; n < 12; n++) answers.push((await post(messagesOf(origin), body, headers)).status);
      assert.equal(answers[0], 201);
      assert.equal(answers.at(-1), 429);
    }
  });

  it("accepts both API keys, and no other", async () => {
    const { origin } = await startServer({ apiKeys: API_KEYS });
    for (const key of [KEY, PREVIOUS_KEY]) {
      assert.equal((await post(messagesOf(origin), "1", { "X-Api-Key": key })).status, 201);
    }
    for (const key of ["", KEY.slice(1), `${KEY} ${PREVIOUS_KEY}`]) {
      const answer = await post(messagesOf(origin), "1", { "X-Api-Key": key });
      problemIn(answer, { status: 401, code: "unauthorized" });
    }
    const withoutKeys = await startServer();
    for (const key of ["", KEY]) {
      const answer = await post(messagesOf(withoutKeys.origin), "1", { "X-Api-Key": key });
      problemIn(answer, { status: 401, code: "unauthorized" });
    }
  });
});
