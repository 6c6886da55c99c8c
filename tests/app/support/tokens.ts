/** Tokens, the keys that sign them, and a server of the keys. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { ServerResponse } from "node:http";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import type { CryptoKey, JWK } from "jose";
import { createAuthorizer } from "../../../app/src/auth/authorize.ts";
import type { Access, Authorizer, Grant } from "../../../app/src/auth/authorize.ts";
import type { KeyTiming } from "../../../app/src/auth/signingKeys.ts";
import { type AccessSettings, defaultSettings } from "../../../app/src/settings/settings.ts";
import { listen } from "./listen.ts";
import { silent } from "./teardown.ts";

/** In seconds. It is read for each token, because a run of all tests takes longer than a token may be late. */
export const now = (): number => Math.floor(Date.now() / 1000);
export const HOUR = 3600;
export const ISSUER = "https://issuer.example";
export const AUDIENCE = "websocket";

/** Nothing is fetched again by itself. */
export const CALM: KeyTiming = { timeoutMs: 5_000, maxAgeMs: 3_600_000, cooldownMs: 3_600_000 };
export const EAGER: KeyTiming = { ...CALM, cooldownMs: 0 };

export interface Key {
  readonly kid: string;
  readonly algorithm: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly jwk: JWK;
}

export async function createKey(kid: string, algorithm = "ES256"): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
  return {
    kid,
    algorithm,
    privateKey,
    publicKey,
    jwk: { ...(await exportJWK(publicKey)), kid, alg: algorithm },
  };
}

export function sign(key: Key, claims: Readonly<Record<string, unknown>> = {}): Promise<string> {
  return new SignJWT({ iss: ISSUER, aud: AUDIENCE, exp: now() + HOUR, channels: "*", ...claims })
    .setProtectedHeader({ alg: key.algorithm, kid: key.kid })
    .sign(key.privateKey);
}

export interface KeyServer {
  readonly url: string;
  /** Requests so far. */
  requests: number;
  answer: (response: ServerResponse) => void;
  serve(...keys: readonly Key[]): void;
}

export async function startKeyServer(...keys: readonly Key[]): Promise<KeyServer> {
  const http = createServer((_, response) => {
    keyServer.requests++;
    keyServer.answer(response);
  });
  const port = await listen(http);
  const keyServer: KeyServer = {
    url: `http://127.0.0.1:${port}/jwks.json`,
    requests: 0,
    answer: () => undefined,
    serve(...served) {
      this.answer = (response) => response.end(JSON.stringify({ keys: served.map(({ jwk }) => jwk) }));
    },
  };
  keyServer.serve(...keys);
  return keyServer;
}

export function authorizer(
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

export const bearer = (token: string) => ({ authorization: `Bearer ${token}`, protocols: [] });

/** Returns an access that decides by a function, and lists nothing. */
export function accessBy(rightsIn: Access["rightsIn"]): Access {
  return { rightsIn, patterns: () => ({ subscribe: [], publish: [] }) };
}

/** Returns the status of the answer to an upgrade. */
export function statusOf(grant: Grant, channel = ""): number {
  if (!grant.granted) return grant.status;
  return rightsIn(grant, channel) === "" ? 403 : 101;
}

export function rightsIn(grant: Grant, channel: string): string {
  assert.ok(grant.granted);
  const { canSubscribe, canPublish } = grant.access.rightsIn(channel);
  return [canSubscribe && "read", canPublish && "publish"].filter((right) => right !== false).join(" ");
}
