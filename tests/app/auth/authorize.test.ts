import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { performance } from "node:perf_hooks";
import { Writable } from "node:stream";

import fc from "fast-check";
import { exportJWK, exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT } from "jose";
import type { CryptoKey, JWK } from "jose";
import { pino } from "pino";
import type { Logger } from "pino";

import { createAuthorizer } from "../../../app/src/auth/authorize.ts";
import type { AccessSettings, Authorizer, Grant } from "../../../app/src/auth/authorize.ts";
import type { KeyTiming } from "../../../app/src/auth/signingKeys.ts";
import { defaultSettings } from "../../../app/src/settings/settings.ts";
import { afterwards, silent, tearDown } from "../support/teardown.ts";
import { waitUntil } from "../../support/waitUntil.ts";

/** In seconds. Read anew each time: a run of all tests is longer than a token may be late. */
const now = (): number => Math.floor(Date.now() / 1000);
const HOUR = 3600;
const ISSUER = "https://issuer.example";
const AUDIENCE = "websocket";

/** Nothing is fetched again by itself. */
const CALM: KeyTiming = { timeoutMs: 5_000, maxAgeMs: 3_600_000, cooldownMs: 3_600_000 };
const EAGER: KeyTiming = { ...CALM, cooldownMs: 0 };

interface Key {
  readonly kid: string;
  readonly algorithm: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly jwk: JWK;
}

async function createKey(kid: string, algorithm = "ES256"): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
  return {
    kid,
    algorithm,
    privateKey,
    publicKey,
    jwk: { ...(await exportJWK(publicKey)), kid, alg: algorithm },
  };
}

function sign(key: Key, claims: Readonly<Record<string, unknown>> = {}): Promise<string> {
  return new SignJWT({ iss: ISSUER, aud: AUDIENCE, exp: now() + HOUR, channels: "*", ...claims })
    .setProtectedHeader({ alg: key.algorithm, kid: key.kid })
    .sign(key.privateKey);
}

interface KeyServer {
  readonly url: string;
  /** Requests so far. */
  requests: number;
  answer: (response: ServerResponse) => void;
  serve(...keys: readonly Key[]): void;
}

async function startKeyServer(...keys: readonly Key[]): Promise<KeyServer> {
  const http = createServer((_, response) => {
    keyServer.requests++;
    keyServer.answer(response);
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  afterwards(() => {
    http.close();
    http.closeAllConnections();
  });
  const keyServer: KeyServer = {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/jwks.json`,
    requests: 0,
    answer: () => undefined,
    serve(...served) {
      this.answer = (response) => response.end(JSON.stringify({ keys: served.map(({ jwk }) => jwk) }));
    },
  };
  keyServer.serve(...keys);
  return keyServer;
}

function authorizer(
  jwksUrl: string,
  settings: Partial<AccessSettings> = {},
  timing: KeyTiming = CALM,
  logger = silent,
): Authorizer {
  const created = createAuthorizer(
    {
      ...defaultSettings(),
      access: "token",
      jwksUrl,
      jwtIssuer: ISSUER,
      jwtAudience: AUDIENCE,
      ...settings,
    },
    logger,
    timing,
  );
  return created ?? assert.fail("no authorizer");
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}`, protocols: [] });

/** A logger, and the lines that it has written. */
function recorder(level: string): { readonly logger: Logger; readonly lines: readonly string[] } {
  const lines: string[] = [];
  const stream = new Writable({
    write(chunk, _, done) {
      lines.push(String(chunk));
      done();
    },
  });
  return { logger: pino({ level }, stream), lines };
}

function statusOf(grant: Grant): number {
  return grant.granted ? 101 : grant.status;
}

function rightsIn(grant: Grant): string {
  if (!grant.granted) return "refused";
  const { canSubscribe, canPublish } = grant.rights;
  return [canSubscribe && "read", canPublish && "publish"].filter((right) => right !== false).join(" ");
}

describe("a token", () => {
  let key: Key;
  let keyServer: KeyServer;

  before(async () => {
    key = await createKey("first");
  });

  beforeEach(async () => {
    keyServer = await startKeyServer(key);
  });

  afterEach(tearDown);

  it("is not needed if access is open", () => {
    assert.equal(createAuthorizer({ ...defaultSettings(), access: "open" }, silent), undefined);
  });

  describe("travels", () => {
    const cases: Record<
      string,
      [status: number, credentials: (token: string, other: string) => Parameters<Authorizer>[0]]
    > = {
      "in the header": [101, (token) => bearer(token)],
      "in the header, its scheme in any case": [
        101,
        (token) => ({ authorization: `bearer  ${token}`, protocols: [] }),
      ],
      "as a subprotocol": [
        101,
        (token) => ({ authorization: undefined, protocols: ["resume.v1", `bearer.${token}`] }),
      ],
      "as a subprotocol, beside a header of another scheme": [
        101,
        (token) => ({ authorization: "Basic dXNlcjpwYXNz", protocols: [`bearer.${token}`] }),
      ],
      "both ways": [101, (token) => ({ ...bearer(token), protocols: [`bearer.${token}`] })],
      "not, where two are different": [
        401,
        (token, other) => ({ ...bearer(token), protocols: [`bearer.${other}`] }),
      ],
      "not, where two subprotocols are different": [
        401,
        (token, other) => ({ authorization: undefined, protocols: [`bearer.${token}`, `bearer.${other}`] }),
      ],
      "not under another scheme": [401, (token) => ({ authorization: `Basic ${token}`, protocols: [] })],
      "not as something else": [
        401,
        (token) => ({ authorization: token, protocols: [token, `Bearer.${token}`] }),
      ],
      "not at all": [401, () => ({ authorization: undefined, protocols: ["resume.v1"] })],
      "not as nothing": [401, () => ({ authorization: "Bearer ", protocols: ["bearer."] })],
    };
    for (const [way, [status, credentials]] of Object.entries(cases)) {
      it(way, async () => {
        const authorize = authorizer(keyServer.url);
        const [token, other] = await Promise.all([sign(key), sign(key, { sub: "other" })]);
        assert.equal(statusOf(await authorize(credentials(token, other), "")), status);
      });
    }
  });

  it("is admitted until it expires, and some seconds for clocks that differ", async () => {
    const authorize = authorizer(keyServer.url);
    const exp = now() + HOUR;
    assert.deepEqual(await authorize(bearer(await sign(key, { exp })), ""), {
      granted: true,
      rights: { canSubscribe: true, canPublish: true },
      expiresAt: (exp + 5) * 1000,
    });
    assert.equal(statusOf(await authorize(bearer(await sign(key, { exp: now() - 1 })), "")), 101);
    assert.deepEqual(await authorize(bearer(await sign(key, { exp: now() - 60 })), ""), {
      granted: false,
      status: 401,
      reason: "The token has expired.",
    });
  });

  it("may live for ever", async () => {
    const authorize = authorizer(keyServer.url);
    const token = await sign(key, { exp: undefined });
    const grant = await authorize(bearer(token), "");
    assert.ok(grant.granted);
    assert.equal(grant.expiresAt, undefined);
  });

  it("is refused before its time", async () => {
    const authorize = authorizer(keyServer.url);
    assert.deepEqual(await authorize(bearer(await sign(key, { nbf: now() + 60 })), ""), {
      granted: false,
      status: 401,
      reason: 'The token\'s claim "nbf" is not as it must be.',
    });
  });

  it("must name the issuer and the audience", async () => {
    const authorize = authorizer(keyServer.url);
    const claims: Record<string, [status: number, claims: Readonly<Record<string, unknown>>]> = {
      right: [101, {}],
      "several audiences": [101, { aud: ["another", AUDIENCE] }],
      "wrong issuer": [401, { iss: "https://evil.example" }],
      "no issuer": [401, { iss: undefined }],
      "wrong audience": [401, { aud: "another" }],
      "no audience": [401, { aud: undefined }],
    };
    for (const [name, [status, claim]] of Object.entries(claims)) {
      const token = await sign(key, claim);
      assert.equal(statusOf(await authorize(bearer(token), "")), status, name);
    }
  });

  it("is admitted with every algorithm that signs by a private key", async () => {
    for (const algorithm of ["RS256", "PS512", "ES384", "EdDSA", "Ed25519"]) {
      const other = await createKey(algorithm, algorithm);
      const { url } = await startKeyServer(key, other);
      assert.equal(statusOf(await authorizer(url)(bearer(await sign(other)), "")), 101, algorithm);
    }
  });

  it("is refused without a signature, and with a secret that everybody knows", async () => {
    const authorize = authorizer(keyServer.url);
    const none = new UnsecuredJWT({ exp: now() + HOUR }).encode();
    assert.equal(statusOf(await authorize(bearer(none), "")), 401);

    const encoded = [{ alg: "HS256", kid: "first" }, { exp: now() + HOUR }]
      .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
      .join(".");
    for (const secret of [await exportSPKI(key.publicKey), JSON.stringify(key.jwk), ""]) {
      const mac = createHmac("sha256", secret).update(encoded).digest("base64url");
      assert.equal(statusOf(await authorize(bearer(`${encoded}.${mac}`), "")), 401);
    }
    // The algorithm alone decides: no key is even looked for.
    assert.equal(keyServer.requests, 0);
  });

  it("is refused where it was tampered with, or signed by another key of the same name", async () => {
    const authorize = authorizer(keyServer.url);
    const [header, , signature] = (await sign(key, { channels: ["one"] })).split(".");
    const forged = Buffer.from(JSON.stringify({ exp: now() + HOUR, channels: ["*"] })).toString("base64url");
    assert.equal(statusOf(await authorize(bearer(`${header ?? ""}.${forged}.${signature ?? ""}`), "")), 401);
    assert.equal(statusOf(await authorize(bearer(await sign(await createKey("first"))), "")), 401);
  });

  it("is refused at once where it is huge", async () => {
    const authorize = authorizer(keyServer.url);
    await authorize(bearer(await sign(key)), "");
    const started = performance.now();
    for (const token of [
      "a".repeat(1 << 20),
      ".".repeat(1 << 20),
      `${await sign(key)}${"A".repeat(1 << 20)}`,
    ]) {
      assert.equal(statusOf(await authorize(bearer(token), "")), 401);
    }
    // What looks through them more than once for each character takes minutes.
    assert.ok(performance.now() - started < 5000);
  });

  it("is refused whatever else it is, and never breaks the check", async () => {
    const { logger, lines } = recorder("warn");
    const authorize = authorizer(keyServer.url, {}, CALM, logger);
    const part = fc.oneof(
      fc.string(),
      fc.json().map((json) => Buffer.from(json).toString("base64url")),
      fc
        .record(
          {
            alg: fc.constantFrom<unknown>("ES256", "RS256", "none", "", 1, null),
            kid: fc.constantFrom<unknown>("first", "second", "__proto__", {}, 1),
            crit: fc.constantFrom<unknown>(["b64"], [], "exp", ["exp"]),
            b64: fc.boolean(),
            jwk: fc.object(),
          },
          { requiredKeys: [] },
        )
        .map((header) => Buffer.from(JSON.stringify(header)).toString("base64url")),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 6 }), fc.string(), async (parts, channel) => {
        const protocols = [`bearer.${parts.join(".")}`];
        assert.equal(statusOf(await authorize({ authorization: undefined, protocols }, channel)), 401);
      }),
      { numRuns: 300 },
    );
    assert.deepEqual(lines, []);
  });

  describe("opens", () => {
    const opens: [claim: unknown, opened: string[], closed: string[]][] = [
      // A token without any of the claims opens nothing.
      [undefined, [], ["", "a", "chat.1"]],
      ["*", ["", "a", "chat.1"], []],
      [["*"], ["", "a"], []],
      [
        ["a", "b"],
        ["a", "b"],
        ["", "c", "A", "ab", "a b"],
      ],
      ["a b", ["a", "b"], ["", "c", "ab"]],
      [["chat.*"], ["chat.", "chat.1"], ["", "chat", "chatter", "my-chat.1"]],
      ["/", [""], ["a", "default"]],
      [["/", "a"], ["", "a"], ["b"]],
      [["a b"], [], ["a", "b", ""]],
      [[], [], ["", "a"]],
      ["", [], ["", "a"]],
      [[""], [], ["", "a"]],
      ["default", ["default"], [""]],
      [null, [], ["", "a", "null"]],
      [{ a: true }, [], ["", "a"]],
      [[["a"], 1, null, { toString: "a" }], [], ["", "a", "1", "null"]],
      [true, [], ["", "true"]],
    ];
    for (const [claim, opened, closed] of opens) {
      it(`the channels that ${claim === undefined ? "no claim" : JSON.stringify(claim)} names`, async () => {
        const authorize = authorizer(keyServer.url);
        const credentials = bearer(await sign(key, { channels: claim }));
        for (const channel of opened)
          assert.equal(statusOf(await authorize(credentials, channel)), 101, channel);
        for (const channel of closed)
          assert.equal(statusOf(await authorize(credentials, channel)), 403, channel);
      });
    }

    const separate: [claims: Readonly<Record<string, unknown>>, rights: Readonly<Record<string, string>>][] =
      [
        [{ subscribe: ["a"] }, { a: "read", b: "refused", "": "refused" }],
        [{ publish: "a /" }, { a: "publish", b: "refused", "": "publish" }],
        [
          { subscribe: ["*"], publish: ["a.*"] },
          { a: "read", "a.1": "read publish", b: "read" },
        ],
        [
          { channels: ["a"], subscribe: ["b"], publish: ["c"] },
          { a: "read publish", b: "read", c: "publish", d: "refused" },
        ],
        [{ channels: ["a"], subscribe: "", publish: "" }, { a: "read publish" }],
        [{ subscribe: true, publish: { a: 1 } }, { a: "refused" }],
      ];
    for (const [claims, expected] of separate) {
      it(`reading and publishing separately, by ${JSON.stringify(claims)}`, async () => {
        const authorize = authorizer(keyServer.url);
        const credentials = bearer(await sign(key, { channels: undefined, ...claims }));
        for (const [channel, rights] of Object.entries(expected))
          assert.equal(rightsIn(await authorize(credentials, channel)), rights, channel);
      });
    }

    it("by claims of other names, if those are set", async () => {
      const authorize = authorizer(keyServer.url, { jwtSubscribeClaim: "r", jwtPublishClaim: "w" });
      const credentials = bearer(
        await sign(key, { channels: undefined, r: ["a"], w: ["b"], subscribe: ["c"], publish: ["c"] }),
      );
      assert.equal(rightsIn(await authorize(credentials, "a")), "read");
      assert.equal(rightsIn(await authorize(credentials, "b")), "publish");
      assert.equal(rightsIn(await authorize(credentials, "c")), "refused");
    });

    it("by the claim of another name, where that is set", async () => {
      const authorize = authorizer(keyServer.url, { jwtChannelClaim: "https://example.com/rooms" });
      const credentials = bearer(await sign(key, { channels: ["b"], "https://example.com/rooms": ["a"] }));
      assert.equal(statusOf(await authorize(credentials, "a")), 101);
      assert.equal(statusOf(await authorize(credentials, "b")), 403);
    });
  });

  describe("of keys that change", () => {
    it("is admitted as soon as a new key signs", async () => {
      const authorize = authorizer(keyServer.url, {}, EAGER);
      const next = await createKey("second");
      assert.equal(statusOf(await authorize(bearer(await sign(key)), "")), 101);
      assert.equal(statusOf(await authorize(bearer(await sign(next)), "")), 401);
      keyServer.serve(key, next);
      assert.equal(statusOf(await authorize(bearer(await sign(next)), "")), 101);
      assert.equal(statusOf(await authorize(bearer(await sign(key)), "")), 101);
    });

    it("is refused once its key is gone", async () => {
      const authorize = authorizer(keyServer.url, {}, EAGER);
      const next = await createKey("second");
      assert.equal(statusOf(await authorize(bearer(await sign(key)), "")), 101);
      keyServer.serve(next);
      assert.equal(statusOf(await authorize(bearer(await sign(next)), "")), 101);
      assert.equal(statusOf(await authorize(bearer(await sign(key)), "")), 401);
    });

    it("is refused soon after its key is gone, though no other token comes", async () => {
      const authorize = authorizer(keyServer.url, {}, { ...EAGER, maxAgeMs: 0 });
      const token = bearer(await sign(key));
      assert.equal(statusOf(await authorize(token, "")), 101);
      keyServer.serve(await createKey("second"));
      await waitUntil(async () => statusOf(await authorize(token, "")) === 401);
    });

    it("does not fetch them for every unknown one", async () => {
      const authorize = authorizer(keyServer.url);
      const unknown = bearer(await sign(await createKey("unknown")));
      for (let i = 0; i < 20; i++) assert.equal(statusOf(await authorize(unknown, "")), 401);
      assert.equal(keyServer.requests, 1);
    });

    it("does not fetch them for each of a crowd", async () => {
      const authorize = authorizer(keyServer.url);
      const token = bearer(await sign(key));
      const grants = await Promise.all(Array.from({ length: 100 }, () => authorize(token, "")));
      assert.ok(grants.every(({ granted }) => granted));
      assert.equal(keyServer.requests, 1);
    });

    it("must say which it is, where there are several", async () => {
      const { url } = await startKeyServer(key, await createKey("second"));
      const token = await new SignJWT({}).setProtectedHeader({ alg: "ES256" }).sign(key.privateKey);
      assert.equal(statusOf(await authorizer(url)(bearer(token), "")), 401);
    });
  });

  describe("of keys that do not come", () => {
    const outages: Record<string, (response: ServerResponse) => void> = {
      "the connection breaks": (response) => response.destroy(),
      "the server fails": (response) => response.writeHead(500).end(),
      "they lie elsewhere": (response) => response.writeHead(302, { Location: "http://127.0.0.1:1/" }).end(),
      "they are no JSON": (response) => response.end("<html>"),
      "they are no keys": (response) => response.end('{"keys":"none"}'),
      "they never end": (response) => response.write('{"keys":['),
    };
    for (const [outage, answer] of Object.entries(outages)) {
      it(`cannot be checked: ${outage}`, async () => {
        keyServer.answer = answer;
        const authorize = authorizer(keyServer.url, {}, { ...EAGER, timeoutMs: 100 });
        const token = bearer(await sign(key));
        assert.equal(statusOf(await authorize(token, "")), 503);
        keyServer.serve(key);
        await waitUntil(async () => statusOf(await authorize(token, "")) === 101);
      });

      it(`is checked by those that came before: ${outage}`, async () => {
        const authorize = authorizer(keyServer.url, {}, { timeoutMs: 100, maxAgeMs: 0, cooldownMs: 0 });
        const token = bearer(await sign(key));
        await waitUntil(async () => statusOf(await authorize(token, "")) === 101);
        keyServer.answer = answer;
        for (let i = 0; i < 3; i++) assert.equal(statusOf(await authorize(token, "")), 101);
        // Only the new keys could tell.
        assert.equal(statusOf(await authorize(bearer(await sign(await createKey("second"))), "")), 503);
      });
    }

    it("is refused without asking or complaining again and again", async () => {
      keyServer.answer = (response) => response.writeHead(500).end();
      const { logger, lines } = recorder("trace");
      const authorize = authorizer(keyServer.url, {}, CALM, logger);
      const token = bearer(await sign(key));
      const crowd = await Promise.all(Array.from({ length: 20 }, () => authorize(token, "")));
      assert.ok(crowd.every((grant) => statusOf(grant) === 503));
      for (let i = 0; i < 20; i++) assert.equal(statusOf(await authorize(token, "")), 503);
      assert.equal(keyServer.requests, 1);
      assert.equal(lines.length, 1);
    });

    it("cannot be checked where nobody listens", async () => {
      const authorize = authorizer("http://127.0.0.1:1/jwks.json");
      assert.equal(statusOf(await authorize(bearer(await sign(key)), "")), 503);
    });
  });

  it("never stands in a log or a reason", async () => {
    const { logger, lines } = recorder("trace");
    const secret = randomBytes(12).toString("hex");
    const other = await createKey(secret);
    const tokens = [
      await sign(key, { sub: secret, channels: [secret] }),
      await sign(key, { sub: secret, exp: now() - HOUR }),
      await sign(key, { sub: secret, nbf: now() + HOUR }),
      await sign(other, { sub: secret }),
      new UnsecuredJWT({ sub: secret }).encode(),
      await new SignJWT({})
        .setProtectedHeader({ alg: "ES256", kid: "first", crit: [secret], [secret]: 1 })
        .sign(key.privateKey, { crit: { [secret]: true } }),
      secret,
    ];
    const reasons: string[] = [];
    for (const failing of [false, true]) {
      if (failing) keyServer.answer = (response) => response.writeHead(500).end();
      const authorize = authorizer(keyServer.url, {}, EAGER, logger);
      for (const token of tokens) {
        const grant = await authorize({ ...bearer(token), protocols: [`bearer.${token}`] }, "a");
        assert.ok(!grant.granted);
        reasons.push(grant.reason);
      }
    }
    assert.ok(lines.length > 0);
    const said = [...lines, ...reasons].join("\n");
    for (const token of tokens) {
      for (const part of token.split(".")) assert.ok(part === "" || !said.includes(part), said);
    }
    assert.ok(!said.includes(secret));
  });
});
