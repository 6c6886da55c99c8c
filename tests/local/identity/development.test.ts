import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createAuthorizer } from "../../../app/src/auth/authorize.ts";
import { defaultSettings } from "../../../app/src/settings/settings.ts";
import { developmentKey } from "../../../local/identity/developmentKey.ts";
import { startDevelopmentIssuer } from "../../../local/identity/developmentIssuer.ts";
import { signDevelopmentToken } from "../../../local/identity/developmentToken.ts";
import { silent } from "../../app/support/teardown.ts";
import { bearer, now, rightsIn } from "../../app/support/tokens.ts";

const PRIVATE_MODE = 0o600;
const PERMISSIONS = 0o777;

describe("development tokens", () => {
  let parent: string;
  let folder: string;

  beforeEach(async () => {
    parent = await mkdtemp(path.join(tmpdir(), "identity-"));
    folder = path.join(parent, "new");
  });

  afterEach(() => rm(parent, { recursive: true }));

  async function onlyFile(): Promise<string> {
    const [file, ...others] = await readdir(folder);
    assert.deepEqual(others, []);
    return path.join(folder, file ?? assert.fail("no file"));
  }

  it("have one stored key that only this user can read, even if several processes create it", async () => {
    const keys = await Promise.all(Array.from({ length: 5 }, () => developmentKey(folder)));
    assert.deepEqual(new Set(keys.map(({ d }) => d)).size, 1);
    assert.deepEqual(await developmentKey(folder), keys[0]);
    if (process.platform !== "win32")
      assert.equal((await stat(await onlyFile())).mode & PERMISSIONS, PRIVATE_MODE);
  });

  it("get a new key if its file is damaged", async () => {
    const key = await developmentKey(folder);
    const file = await onlyFile();
    for (const damaged of ["", "{}", JSON.stringify({ ...key, x: "no" })]) {
      await writeFile(file, damaged);
      const renewed = await developmentKey(folder);
      assert.notEqual(renewed.d, key.d);
      assert.deepEqual(JSON.parse(await readFile(file, "utf8")), renewed);
    }
  });

  it("report a folder in which the key cannot be stored", async () => {
    await writeFile(folder, "");
    await assert.rejects(developmentKey(folder), {
      name: "ExpectedError",
      message: /^The key of development tokens cannot be stored: E(?:NOTDIR|EXIST)/,
    });
  });

  it("are accepted with the settings of their issuer, with their user, channels, claims and expiry", async () => {
    await using issuer = await startDevelopmentIssuer(folder);
    const authorize =
      createAuthorizer({ ...defaultSettings(), ...issuer.settings }, silent) ?? assert.fail("access is open");
    const issuedAt = now();
    const expiresAt = issuedAt + 60;
    const content = { user: "alice", subscribe: ["room.*"], publish: ["room.7"], issuedAt, expiresAt };
    const token = await signDevelopmentToken(await developmentKey(folder), content);
    const grant = await authorize(bearer(token));
    assert.ok(grant.granted);
    assert.deepEqual([grant.subject, grant.expiresAt], ["alice", expiresAt * 1000]);
    assert.deepEqual(
      ["room.7", "room.8", "news"].map((channel) => rightsIn(grant, channel)),
      ["read publish", "read", ""],
    );

    const expired = { ...content, issuedAt: issuedAt - 120, expiresAt: issuedAt - 60 };
    const refused = await authorize(
      bearer(await signDevelopmentToken(await developmentKey(folder), expired)),
    );
    assert.deepEqual(refused, { granted: false, status: 401, reason: "The token has expired." });
  });

  it("can have no user, and further claims, which cannot replace those of the token", async () => {
    const claims = { role: "admin", iss: "other", subscribe: ["*"], exp: 1 };
    const token = await signDevelopmentToken(await developmentKey(folder), {
      subscribe: ["a"],
      publish: [],
      claims,
      issuedAt: 5,
      expiresAt: 7,
    });
    const [, payload = ""] = token.split(".");
    assert.deepEqual(JSON.parse(Buffer.from(payload, "base64url").toString()), {
      role: "admin",
      iss: "development",
      aud: "websocket",
      subscribe: ["a"],
      publish: [],
      iat: 5,
      exp: 7,
    });
  });

  it("have an issuer that serves the public key only, and the new one if the file was deleted", async () => {
    await using issuer = await startDevelopmentIssuer(folder);
    const { jwksUrl } = issuer.settings;
    const first = await developmentKey(folder);
    assert.equal(new URL(jwksUrl).hostname, "127.0.0.1");
    const served = await keysAt(jwksUrl);
    const { kty, crv, x, y, kid } = first;
    assert.deepEqual(served, [{ kty, crv, x, y, kid, alg: "ES256", use: "sig" }]);

    await rm(await onlyFile());
    const second = await developmentKey(folder);
    assert.deepEqual(
      (await keysAt(jwksUrl)).map((key) => key.kid),
      [second.kid],
    );
    assert.equal((await fetch(new URL("/", jwksUrl))).status, 404);
  });
});

async function keysAt(url: string): Promise<readonly { readonly kid: string }[]> {
  const { keys } = (await (await fetch(url)).json()) as {
    readonly keys: readonly { readonly kid: string }[];
  };
  return keys;
}
