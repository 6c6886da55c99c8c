import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { SignJWT } from "jose";
import { tearDown } from "../support/teardown.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import {
  CALM,
  EAGER,
  createKey,
  sign,
  startKeyServer,
  authorizer,
  bearer,
  statusOf,
} from "../support/tokens.ts";
import { recordLog } from "../support/logLines.ts";
import type { Key, KeyServer } from "../support/tokens.ts";

describe("the keys that verify tokens", () => {
  let key: Key;
  let keyServer: KeyServer;

  before(async () => {
    key = await createKey("first");
  });

  beforeEach(async () => {
    keyServer = await startKeyServer(key);
  });

  afterEach(tearDown);

  describe("with changing keys", () => {
    it("accept a token as soon as a new key is served", async () => {
      const authorize = authorizer(keyServer.url, {}, EAGER);
      const next = await createKey("second");
      assert.equal(statusOf(await authorize(bearer(await sign(key)))), 101);
      assert.equal(statusOf(await authorize(bearer(await sign(next)))), 401);
      keyServer.serve(key, next);
      assert.equal(statusOf(await authorize(bearer(await sign(next)))), 101);
      assert.equal(statusOf(await authorize(bearer(await sign(key)))), 101);
    });

    it("refuse a token after its key is removed", async () => {
      const authorize = authorizer(keyServer.url, {}, EAGER);
      const next = await createKey("second");
      assert.equal(statusOf(await authorize(bearer(await sign(key)))), 101);
      keyServer.serve(next);
      assert.equal(statusOf(await authorize(bearer(await sign(next)))), 101);
      assert.equal(statusOf(await authorize(bearer(await sign(key)))), 401);
    });

    it("refuse a token soon after its key is removed, without other tokens", async () => {
      const authorize = authorizer(keyServer.url, {}, { ...EAGER, maxAgeMs: 0 });
      const token = bearer(await sign(key));
      assert.equal(statusOf(await authorize(token)), 101);
      keyServer.serve(await createKey("second"));
      await waitUntil(async () => statusOf(await authorize(token)) === 401);
    });

    it("are not fetched for every unknown key", async () => {
      const authorize = authorizer(keyServer.url);
      const unknown = bearer(await sign(await createKey("unknown")));
      for (let i = 0; i < 20; i++) assert.equal(statusOf(await authorize(unknown)), 401);
      assert.equal(keyServer.requests, 1);
    });

    it("are fetched once for concurrent tokens", async () => {
      const authorize = authorizer(keyServer.url);
      const token = bearer(await sign(key));
      const grants = await Promise.all(Array.from({ length: 100 }, () => authorize(token)));
      assert.ok(grants.every(({ granted }) => granted));
      assert.equal(keyServer.requests, 1);
    });

    it("refuse a token without a key id if there are several keys", async () => {
      const { url } = await startKeyServer(key, await createKey("second"));
      const token = await new SignJWT({}).setProtectedHeader({ alg: "ES256" }).sign(key.privateKey);
      assert.equal(statusOf(await authorizer(url)(bearer(token))), 401);
    });
  });

  describe("that cannot be fetched", () => {
    const outages: Record<string, (response: ServerResponse) => void> = {
      "the connection breaks": (response) => response.destroy(),
      "the server fails": (response) => response.writeHead(500).end(),
      "they lie elsewhere": (response) => response.writeHead(302, { Location: "http://127.0.0.1:1/" }).end(),
      "they are no JSON": (response) => response.end("<html>"),
      "they are no keys": (response) => response.end('{"keys":"none"}'),
      "they never end": (response) => response.write('{"keys":['),
    };
    for (const [outage, answer] of Object.entries(outages)) {
      it(`make every token unavailable: ${outage}`, async () => {
        keyServer.answer = answer;
        const authorize = authorizer(keyServer.url, {}, { ...EAGER, timeoutMs: 100 });
        const token = bearer(await sign(key));
        assert.equal(statusOf(await authorize(token)), 503);
        keyServer.serve(key);
        await waitUntil(async () => statusOf(await authorize(token)) === 101);
      });

      it(`are replaced by the previous keys: ${outage}`, async () => {
        const authorize = authorizer(keyServer.url, {}, { timeoutMs: 100, maxAgeMs: 0, cooldownMs: 0 });
        const token = bearer(await sign(key));
        await waitUntil(async () => statusOf(await authorize(token)) === 101);
        keyServer.answer = answer;
        for (let i = 0; i < 3; i++) assert.equal(statusOf(await authorize(token)), 101);
        // The token may be valid, but only the new keys can verify it.
        assert.equal(statusOf(await authorize(bearer(await sign(await createKey("second"))))), 503);
      });
    }

    it("are neither fetched nor logged again and again", async () => {
      keyServer.answer = (response) => response.writeHead(500).end();
      const { logger, lines } = recordLog("trace");
      const authorize = authorizer(keyServer.url, {}, CALM, logger);
      const token = bearer(await sign(key));
      const grants = await Promise.all(Array.from({ length: 20 }, () => authorize(token)));
      assert.ok(grants.every((grant) => statusOf(grant) === 503));
      for (let i = 0; i < 20; i++) assert.equal(statusOf(await authorize(token)), 503);
      assert.equal(keyServer.requests, 1);
      assert.equal(lines.length, 1);
    });

    it("make every token unavailable if no server listens", async () => {
      const authorize = authorizer("http://127.0.0.1:1/jwks.json");
      assert.equal(statusOf(await authorize(bearer(await sign(key)))), 503);
    });
  });
});
