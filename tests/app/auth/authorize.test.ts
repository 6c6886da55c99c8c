import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { performance } from "node:perf_hooks";
import fc from "fast-check";
import { exportSPKI, SignJWT, UnsecuredJWT } from "jose";
import { createAuthorizer } from "../../../app/src/auth/authorize.ts";
import type { Authorizer } from "../../../app/src/auth/authorize.ts";
import { defaultSettings } from "../../../app/src/settings/settings.ts";
import { silent, tearDown } from "../support/teardown.ts";
import {
  now,
  HOUR,
  AUDIENCE,
  CALM,
  EAGER,
  createKey,
  sign,
  startKeyServer,
  authorizer,
  bearer,
  statusOf,
  rightsIn,
} from "../support/tokens.ts";
import { recordLog } from "../support/logLines.ts";
import type { Key, KeyServer } from "../support/tokens.ts";

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
        (token) => ({ authorization: undefined, protocols: ["channels.v1", `bearer.${token}`] }),
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
      "not at all": [401, () => ({ authorization: undefined, protocols: ["channels.v1"] })],
      "not as nothing": [401, () => ({ authorization: "Bearer ", protocols: ["bearer."] })],
    };
    for (const [way, [status, credentials]] of Object.entries(cases)) {
      it(way, async () => {
        const authorize = authorizer(keyServer.url);
        const [token, other] = await Promise.all([sign(key), sign(key, { sub: "other" })]);
        assert.equal(statusOf(await authorize(credentials(token, other))), status);
      });
    }
  });

  it("is accepted until it expires, and for the tolerance of clocks", async () => {
    const authorize = authorizer(keyServer.url);
    const exp = now() + HOUR;
    const grant = await authorize(bearer(await sign(key, { exp })));
    assert.ok(grant.granted);
    assert.equal(grant.expiresAt, exp * 1000);
    assert.equal(grant.subject, undefined);
    assert.equal(statusOf(await authorize(bearer(await sign(key, { exp: now() - 1 })))), 101);
    assert.deepEqual(await authorize(bearer(await sign(key, { exp: now() - 60 }))), {
      granted: false,
      status: 401,
      reason: "The token has expired.",
    });
  });

  it("may have no expiry", async () => {
    const authorize = authorizer(keyServer.url);
    const token = await sign(key, { exp: undefined });
    const grant = await authorize(bearer(token));
    assert.ok(grant.granted);
    assert.equal(grant.expiresAt, undefined);
  });

  it("is refused before its validity", async () => {
    const authorize = authorizer(keyServer.url);
    assert.deepEqual(await authorize(bearer(await sign(key, { nbf: now() + 60 }))), {
      granted: false,
      status: 401,
      reason: 'The token\'s claim "nbf" is not as it must be.',
    });
  });

  it("must have the issuer and the audience", async () => {
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
      assert.equal(statusOf(await authorize(bearer(token))), status, name);
    }
  });

  it("is accepted with every algorithm of private keys", async () => {
    for (const algorithm of ["RS256", "PS512", "ES384", "EdDSA", "Ed25519"]) {
      const other = await createKey(algorithm, algorithm);
      const { url } = await startKeyServer(key, other);
      assert.equal(statusOf(await authorizer(url)(bearer(await sign(other)))), 101, algorithm);
    }
  });

  it("is refused without a signature, and with a public secret", async () => {
    const authorize = authorizer(keyServer.url);
    const none = new UnsecuredJWT({ exp: now() + HOUR }).encode();
    assert.equal(statusOf(await authorize(bearer(none))), 401);

    const encoded = [{ alg: "HS256", kid: "first" }, { exp: now() + HOUR }]
      .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
      .join(".");
    for (const secret of [await exportSPKI(key.publicKey), JSON.stringify(key.jwk), ""]) {
      const mac = createHmac("sha256", secret).update(encoded).digest("base64url");
      assert.equal(statusOf(await authorize(bearer(`${encoded}.${mac}`))), 401);
    }
    // The algorithm alone decides: no key is even looked for.
    assert.equal(keyServer.requests, 0);
  });

  it("is refused if it was changed, or signed by another key of the same name", async () => {
    const authorize = authorizer(keyServer.url);
    const [header, , signature] = (await sign(key, { channels: ["one"] })).split(".");
    const forged = Buffer.from(JSON.stringify({ exp: now() + HOUR, channels: ["*"] })).toString("base64url");
    assert.equal(statusOf(await authorize(bearer(`${header ?? ""}.${forged}.${signature ?? ""}`))), 401);
    assert.equal(statusOf(await authorize(bearer(await sign(await createKey("first"))))), 401);
  });

  it("is refused at once if it is huge", async () => {
    const authorize = authorizer(keyServer.url);
    await authorize(bearer(await sign(key)));
    const started = performance.now();
    for (const token of [
      "a".repeat(1 << 20),
      ".".repeat(1 << 20),
      `${await sign(key)}${"A".repeat(1 << 20)}`,
    ]) {
      assert.equal(statusOf(await authorize(bearer(token))), 401);
    }
    // What looks through them more than once for each character takes minutes.
    assert.ok(performance.now() - started < 5000);
  });

  it("is refused if it is any other text", async () => {
    const { logger, lines } = recordLog("warn");
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
      fc.asyncProperty(fc.array(part, { maxLength: 6 }), async (parts) => {
        const protocols = [`bearer.${parts.join(".")}`];
        assert.equal(statusOf(await authorize({ authorization: undefined, protocols })), 401);
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
          assert.equal(statusOf(await authorize(credentials), channel), 101, channel);
        for (const channel of closed)
          assert.equal(statusOf(await authorize(credentials), channel), 403, channel);
      });
    }

    const separate: [claims: Readonly<Record<string, unknown>>, rights: Readonly<Record<string, string>>][] =
      [
        [{ subscribe: ["a"] }, { a: "read", b: "", "": "" }],
        [{ publish: "a /" }, { a: "publish", b: "", "": "publish" }],
        [
          { subscribe: ["*"], publish: ["a.*"] },
          { a: "read", "a.1": "read publish", b: "read" },
        ],
        [
          { channels: ["a"], subscribe: ["b"], publish: ["c"] },
          { a: "read publish", b: "read", c: "publish", d: "" },
        ],
        [{ channels: ["a"], subscribe: "", publish: "" }, { a: "read publish" }],
        [{ subscribe: true, publish: { a: 1 } }, { a: "" }],
      ];
    for (const [claims, expected] of separate) {
      it(`reading and publishing separately, by ${JSON.stringify(claims)}`, async () => {
        const authorize = authorizer(keyServer.url);
        const credentials = bearer(await sign(key, { channels: undefined, ...claims }));
        for (const [channel, rights] of Object.entries(expected))
          assert.equal(rightsIn(await authorize(credentials), channel), rights, channel);
      });
    }

    it("by claims of other names, if those are set", async () => {
      const authorize = authorizer(keyServer.url, { jwtSubscribeClaim: "r", jwtPublishClaim: "w" });
      const credentials = bearer(
        await sign(key, { channels: undefined, r: ["a"], w: ["b"], subscribe: ["c"], publish: ["c"] }),
      );
      assert.equal(rightsIn(await authorize(credentials), "a"), "read");
      assert.equal(rightsIn(await authorize(credentials), "b"), "publish");
      assert.equal(rightsIn(await authorize(credentials), "c"), "");
    });

    it("by the claim of another name, if that is set", async () => {
      const authorize = authorizer(keyServer.url, { jwtChannelClaim: "https://example.com/rooms" });
      const credentials = bearer(await sign(key, { channels: ["b"], "https://example.com/rooms": ["a"] }));
      assert.equal(statusOf(await authorize(credentials), "a"), 101);
      assert.equal(statusOf(await authorize(credentials), "b"), 403);
    });
  });

  it("has a subject of at most 256 bytes", async () => {
    const authorize = authorizer(keyServer.url);
    const longest = await authorize(bearer(await sign(key, { sub: "é".repeat(128) })));
    assert.ok(longest.granted);
    assert.equal(longest.subject, "é".repeat(128));
    assert.deepEqual(await authorize(bearer(await sign(key, { sub: `${"é".repeat(128)}x` }))), {
      granted: false,
      status: 401,
      reason: "The token's subject has more than 256 bytes.",
    });
  });

  it("is never in a log or a reason", async () => {
    const { logger, lines } = recordLog("trace");
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
        const grant = await authorize({ ...bearer(token), protocols: [`bearer.${token}`] });
        reasons.push(grant.granted ? "granted" : grant.reason);
      }
    }
    assert.ok(lines.length > 0);
    const output = [JSON.stringify(lines), ...reasons].join("\n");
    for (const token of tokens) {
      for (const part of token.split(".")) assert.ok(part === "" || !output.includes(part), output);
    }
    assert.ok(!output.includes(secret));
  });
});
