/** Tokens that the local stack accepts with `--tokens`. No deployed stack accepts them. */
import { importJWK, SignJWT } from "jose";
import { settingDefinitions } from "../../app/src/settings/settings.ts";
import { DEVELOPMENT_ALGORITHM, type DevelopmentKey } from "./developmentKey.ts";

export const DEVELOPMENT_ISSUER = "development";
export const DEVELOPMENT_AUDIENCE = "websocket";

/** The claims that {@link signDevelopmentToken} sets. */
export const TOKEN_CLAIMS = {
  subscribe: settingDefinitions.jwtSubscribeClaim.default,
  publish: settingDefinitions.jwtPublishClaim.default,
  both: settingDefinitions.jwtChannelClaim.default,
} as const;

export interface TokenContent {
  /** The subject. @default none */
  readonly user?: string | undefined;
  /** Channels that the token may read: names, `/` for the default channel, and prefixes that end with `*`. */
  readonly subscribe: readonly string[];
  /** Channels that the token may publish to, in the same form. */
  readonly publish: readonly string[];
  /** Further claims. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined;
  /** In seconds since 1970. */
  readonly issuedAt: number;
  /** In seconds since 1970. */
  readonly expiresAt: number;
}

export async function signDevelopmentToken(
  key: DevelopmentKey,
  { user, subscribe, publish, claims, issuedAt, expiresAt }: TokenContent,
): Promise<string> {
  const token = new SignJWT({
    ...claims,
    [TOKEN_CLAIMS.subscribe]: subscribe,
    [TOKEN_CLAIMS.publish]: publish,
  })
    .setProtectedHeader({ alg: DEVELOPMENT_ALGORITHM, typ: "JWT", kid: key.kid })
    .setIssuer(DEVELOPMENT_ISSUER)
    .setAudience(DEVELOPMENT_AUDIENCE)
    .setIssuedAt(issuedAt)
    .setExpirationTime(expiresAt);
  if (user !== undefined) token.setSubject(user);
  return token.sign(await importJWK({ ...key }, DEVELOPMENT_ALGORITHM));
}
