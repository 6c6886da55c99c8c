import assert from "node:assert/strict";

import type { Authorization } from "../../../../app/src/handlers/index.ts";
import { startServer } from "../../support/server.ts";
import type { TestServer } from "../../support/server.ts";
import { tearDown } from "../../support/teardown.ts";
import { authorizer, createKey, HOUR, now, sign, startKeyServer } from "../../support/tokens.ts";
import type { Key } from "../../support/tokens.ts";
import { API_KEYS, KEY, problemIn, send } from "./apiClient.ts";

const bearer = (token: string): Readonly<Record<string, string>> => ({ Authorization: `Bearer ${token}` });

describe("GET /whoami", () => {
  let key: Key;

  before(async () => {
    key = await createKey("a");
  });

  afterEach(tearDown);

  async function startWithTokens(settings: Parameters<typeof startServer>[0] = {}): Promise<TestServer> {
    const keys = await startKeyServer(key);
    return startServer(settings, { authorize: authorizer(keys.url) });
  }

  it("returns the user, the channels and the expiry of the token", async () => {
    const { origin } = await startWithTokens();
    const exp = now() + HOUR;
    const claims = { sub: "alice", exp, channels: "both news", subscribe: ["room.*", "news"], publish: "/" };
    const { status, headers, body } = await send(`${origin}/whoami`, {
      headers: bearer(await sign(key, claims)),
    });
    assert.equal(status, 200);
    assert.deepEqual(body, {
      user: "alice",
      subscribe: ["both", "news", "room.*"],
      publish: ["both", "news", "/"],
      expiresAt: exp * 1000,
    });
    assert.equal(headers.get("cache-control"), "no-store");
  });

  it("lists nothing for a token that grants nothing, and has no user or expiry if the token has none", async () => {
    const { origin } = await startWithTokens();
    const token = await sign(key, { channels: undefined, exp: undefined, subscribe: " ", publish: 3 });
    const { status, body } = await send(`${origin}/whoami`, { headers: bearer(token) });
    assert.deepEqual([status, body], [200, { subscribe: [], publish: [] }]);
  });

  it("is a problem without a valid token", async () => {
    const { origin } = await startWithTokens();
    const expected = { status: 401, code: "unauthorized" };
    const none = await send(`${origin}/whoami`);
    assert.equal(problemIn(none, expected), "There is no token.");
    assert.equal(none.headers.get("www-authenticate"), "Bearer");
    const expired = await sign(key, { exp: now() - HOUR });
    const answer = await send(`${origin}/whoami`, { headers: bearer(expired) });
    assert.equal(problemIn(answer, expected), "The token has expired.");
  });

  it("lists every channel if clients need no token, and for an API key", async () => {
    const everything = { subscribe: ["*"], publish: ["*"] };
    const open = await startServer();
    assert.deepEqual((await send(`${open.origin}/whoami`)).body, everything);
    const closed = await startWithTokens({ apiKeys: API_KEYS });
    const { body } = await send(`${closed.origin}/whoami`, { headers: { "X-Api-Key": KEY } });
    assert.deepEqual(body, everything);
  });

  it("returns what the handler authorize has granted", async () => {
    const expiresAt = (now() + HOUR) * 1000;
    const authorize = (): Authorization => ({
      user: "bob",
      subscribe: ["a.*"],
      publish: ["a.7"],
      expiresAt,
    });
    const { origin } = await startServer({}, { handlers: { authorize } });
    const { body } = await send(`${origin}/whoami`);
    assert.deepEqual(body, { user: "bob", subscribe: ["a.*"], publish: ["a.7"], expiresAt });
  });

  it("can be read by pages of allowed origins only, and has no other methods", async () => {
    const { origin } = await startServer({ allowedOrigins: ["https://app.example"] });
    const url = `${origin}/whoami`;
    const page = await send(url, { headers: { Origin: "https://app.example" } });
    assert.equal(page.headers.get("access-control-allow-origin"), "https://app.example");
    const other = await send(url, { headers: { Origin: "https://evil.example" } });
    problemIn(other, { status: 403, code: "forbidden" });
    problemIn(await send(url, { method: "POST" }), { status: 405, code: "method_not_allowed" });
    problemIn(await send(`${url}/x`), { status: 404, code: "not_found" });
  });
});
