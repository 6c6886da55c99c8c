/** Who may send which requests: tokens, and the origins of pages. */
import assert from "node:assert/strict";

import { startServer } from "../../support/server.ts";
import { tearDown } from "../../support/teardown.ts";
import { authorizer, createKey, sign, startKeyServer } from "../../support/tokens.ts";
import { API_KEYS, KEY, messagesOf, post, problemIn, send } from "./apiClient.ts";
import { follow } from "./eventClient.ts";

const EVENTS = { Accept: "text/event-stream" };

describe("the access by HTTP", () => {
  afterEach(tearDown);

  it("is that of the token, as on a WebSocket", async () => {
    const key = await createKey("a");
    const { url } = await startKeyServer(key);
    const { origin } = await startServer({ apiKeys: API_KEYS }, { authorize: authorizer(url) });
    const room = messagesOf(origin, "room.7");
    const other = messagesOf(origin, "other");
    const claims = { sub: "alice", channels: [], subscribe: "room.*", publish: "room.7 other" };
    const headers = { Authorization: `Bearer ${await sign(key, claims)}` };

    assert.equal((await post(room, "1", headers)).status, 201);
    assert.equal((await post(other, "1", headers)).status, 201);
    const { body } = await send(room, { headers });
    assert.deepEqual((body as { messages: unknown }).messages, [{ offset: 1, message: 1, from: "alice" }]);
    await follow(room, headers);
    problemIn(await send(other, { headers }), { status: 403, code: "forbidden" });
    problemIn(await send(other, { headers: { ...headers, ...EVENTS } }), { status: 403, code: "forbidden" });
    problemIn(await post(messagesOf(origin, "room.8"), "1", headers), { status: 403, code: "forbidden" });

    const without = await post(room, "1");
    problemIn(without, { status: 401, code: "unauthorized" });
    assert.equal(without.headers.get("www-authenticate"), "Bearer");
    const expired = { Authorization: `Bearer ${await sign(key, { exp: 1 })}` };
    assert.match(
      problemIn(await send(room, { headers: expired }), { status: 401, code: "unauthorized" }),
      /expired/,
    );
    // A backend has every right, and no name.
    assert.equal((await post(messagesOf(origin, "room.8"), "2", { "X-Api-Key": KEY })).status, 201);
    const eight = await send(messagesOf(origin, "room.8"), { headers: { "X-Api-Key": KEY } });
    assert.deepEqual((eight.body as { messages: unknown }).messages, [{ offset: 1, message: 2 }]);
  });

  it("keeps the ids of each subject apart", async () => {
    const key = await createKey("a");
    const { url } = await startKeyServer(key);
    const { origin } = await startServer({}, { authorize: authorizer(url) });
    for (const [sub, offset] of [
      ["alice", 1],
      ["bob", 2],
    ] as const) {
      const headers = { Authorization: `Bearer ${await sign(key, { sub })}`, "Idempotency-Key": "a" };
      const { body } = await post(messagesOf(origin), JSON.stringify(sub), headers);
      assert.equal((body as { offset: number }).offset, offset);
    }
  });

  it("is refused to pages of other origins, and allowed to those that may connect", async () => {
    const { origin } = await startServer({ allowedOrigins: ["https://app.example.com"] });
    const allowed = { Origin: "https://app.example.com" };
    const answer = await post(messagesOf(origin), "1", allowed);
    assert.equal(answer.status, 201);
    assert.equal(answer.headers.get("access-control-allow-origin"), "https://app.example.com");
    assert.equal(answer.headers.get("vary"), "Origin");
    const refused = await post(messagesOf(origin), "1", { Origin: "https://evil.example" });
    problemIn(refused, { status: 403, code: "forbidden" });
    assert.equal(refused.headers.get("access-control-allow-origin"), null);
    const { body } = await send(messagesOf(origin));
    assert.equal((body as { messages: readonly unknown[] }).messages.length, 1);
  });

  it("answers preflight requests without a token, and allows no API key", async () => {
    const key = await createKey("a");
    const { url } = await startKeyServer(key);
    const { origin } = await startServer({}, { authorize: authorizer(url) });
    const preflight = {
      Origin: "https://app.example.com",
      "Access-Control-Request-Method": "POST",
      "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
    };
    const { status, headers } = await send(messagesOf(origin), { method: "OPTIONS", headers: preflight });
    assert.equal(status, 204);
    assert.equal(headers.get("access-control-allow-origin"), "*");
    const names = headers.get("access-control-allow-headers")?.toLowerCase().split(", ") ?? [];
    for (const name of ["authorization", "content-type", "idempotency-key", "last-event-id"]) {
      assert.ok(names.includes(name), name);
    }
    assert.ok(!names.includes("x-api-key"));
    assert.match(headers.get("access-control-allow-methods") ?? "", /\bPOST\b/);
  });
});
