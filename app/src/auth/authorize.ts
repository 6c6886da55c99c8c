/** The identity of a client, and its rights in each channel, which its JSON Web Token lists. */
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";

import { errors, jwtVerify } from "jose";
import type { JWTPayload, JWTVerifyOptions } from "jose";
import type { Logger } from "pino";

import { matchesChannel } from "../settings/channelPattern.ts";
import type { AccessSettings } from "../settings/settings.ts";
import { createSigningKeys, KeysUnavailableError } from "./signingKeys.ts";
import type { KeyTiming } from "./signingKeys.ts";

/**
 * Only signatures by a private key. If a shared secret were allowed, an attacker could sign with the public key.
 * @see https://www.rfc-editor.org/rfc/rfc8725#section-2.1
 */
const ALGORITHMS = [
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
  ...["ES256", "ES384", "ES512", "EdDSA", "Ed25519"],
];

/** Maximum difference between the clocks of the issuer and of this machine. */
export const CLOCK_TOLERANCE_SECONDS = 5;

/** Maximum length of the subject of a token: each message of its publisher contains it. OpenID Connect allows 255 characters. */
export const MAX_SUBJECT_BYTES = 256;

/** Browsers cannot set the header `Authorization` of an upgrade. They send this prefix and the token as a subprotocol. */
const BEARER_SUBPROTOCOL_PREFIX = "bearer.";

/** The rights of a client in one channel. */
export interface Rights {
  readonly canSubscribe: boolean;
  readonly canPublish: boolean;
}

/** The rights of a client in all channels. */
export interface Access {
  rightsIn(channel: string): Rights;
  /** Returns all channels with a right, for people. {@link rightsIn} decides. */
  patterns(): ChannelPatterns;
}

/** Names of channels, `/` for the default channel, and prefixes that end with `*`. */
export interface ChannelPatterns {
  readonly subscribe: readonly string[];
  readonly publish: readonly string[];
}

const ALL_RIGHTS: Rights = { canSubscribe: true, canPublish: true };

/** The access of a client that needs no token. */
export const FULL_ACCESS: Access = {
  rightsIn: () => ALL_RIGHTS,
  patterns: () => ({ subscribe: ["*"], publish: ["*"] }),
};

export type Grant =
  | {
      readonly granted: true;
      /** It may grant no channel. */
      readonly access: Access;
      /** The subject of the token; absent if the token has none. */
      readonly subject?: string;
      /**
       * When the token expires, in milliseconds since 1970; absent if it never expires. The clock of the issuer can be
       * {@link CLOCK_TOLERANCE_SECONDS} late. It can be later than the maximum delay of a timer.
       */
      readonly expiresAt?: number;
      /** The claims of the token; absent without a token. */
      readonly claims?: Readonly<Record<string, unknown>>;
    }
  | {
      readonly granted: false;
      readonly status: 401 | 403 | 503;
      /** For the developer of the client. It quotes nothing of the token. */
      readonly reason: string;
    };

/** The grant of a client that needs no token. */
export const OPEN_GRANT: Extract<Grant, { readonly granted: true }> = { granted: true, access: FULL_ACCESS };

/** The credentials of an upgrade request. */
export interface Credentials {
  /** The value of the header `Authorization`. */
  readonly authorization: string | undefined;
  /** The subprotocols that the client offers. */
  readonly protocols: readonly string[];
}

/** Checks the token of an upgrade request. It never rejects: if a token cannot be checked, it is not granted. */
export type Authorizer = (credentials: Credentials) => Promise<Grant>;

/** A request, for the code of the application. */
export interface ClientRequest {
  readonly headers: IncomingHttpHeaders;
  /** From `clientAddress`. */
  readonly address: string;
  readonly url: string;
}

/** Checks a request, with the code of the application. It never rejects. */
export type RequestAuthorizer = (
  credentials: Credentials & { readonly request: ClientRequest },
) => Promise<Grant>;

export interface RequestParts {
  /** The subprotocols that the client offers. */
  readonly protocols: readonly string[];
  /** From `clientAddress`. */
  readonly address: string;
  readonly url: string;
}

/** Checks the sender of a request. It never rejects. */
export async function authorizeRequest(
  authorize: RequestAuthorizer,
  { headers, headersDistinct }: IncomingMessage,
  { protocols, address, url }: RequestParts,
): Promise<Grant> {
  const [authorization, another] = new Set(headersDistinct["authorization"]);
  if (another !== undefined) return refused(401, "There are several Authorization headers.");
  return authorize({ authorization, protocols, request: { headers, address, url } });
}

/**
 * Creates the function that checks tokens.
 * @returns `undefined` if clients need no token.
 * @throws {TypeError} if `jwksUrl` is not a URL.
 */
export function createAuthorizer(
  settings: AccessSettings,
  logger: Logger,
  keyTiming?: KeyTiming,
): Authorizer | undefined {
  if (settings.access === "open") return undefined;

  const keys = createSigningKeys(new URL(settings.jwksUrl), logger, keyTiming);
  const options: JWTVerifyOptions = {
    algorithms: ALGORITHMS,
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
    issuer: settings.jwtIssuer,
    audience: settings.jwtAudience,
  };

  return async (credentials) => {
    const [token, another] = findTokens(credentials);
    if (token === undefined) return refused(401, "There is no token.");
    if (another !== undefined) return refused(401, "There are several tokens.");

    let payload: JWTPayload;
    try {
      ({ payload } = await jwtVerify(token, keys, options));
    } catch (error) {
      return explainRefusal(error, logger);
    }
    const subject = readSubject(payload);
    if (subject !== undefined && Buffer.byteLength(subject) > MAX_SUBJECT_BYTES) {
      return refused(401, `The token's subject has more than ${MAX_SUBJECT_BYTES} bytes.`);
    }
    return {
      granted: true,
      access: new PatternAccess(readClaims(payload, settings)),
      ...(subject !== undefined && { subject }),
      ...readExpiry(payload),
      claims: payload,
    };
  };
}

/** Returns every different token. A browser can add an `Authorization` header of another scheme. */
function findTokens({ authorization = "", protocols }: Credentials): ReadonlySet<string> {
  const inHeader = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
  const inProtocols = protocols
    .filter((protocol) => protocol.startsWith(BEARER_SUBPROTOCOL_PREFIX))
    .map((protocol) => protocol.slice(BEARER_SUBPROTOCOL_PREFIX.length));
  return new Set(inHeader === undefined ? inProtocols : [inHeader, ...inProtocols]);
}

/** The access of a client that may read and publish to the channels of patterns. They are checked for each subscribe and publish. */
export class PatternAccess implements Access {
  readonly #patterns: ChannelPatterns;

  constructor(patterns: ChannelPatterns) {
    this.#patterns = patterns;
  }

  rightsIn(channel: string): Rights {
    const { subscribe, publish } = this.#patterns;
    return { canSubscribe: matchesAny(subscribe, channel), canPublish: matchesAny(publish, channel) };
  }

  patterns(): ChannelPatterns {
    return this.#patterns;
  }
}

/** Returns the channels that the claims of a token list. */
function readClaims(
  payload: JWTPayload,
  { jwtChannelClaim, jwtSubscribeClaim, jwtPublishClaim }: AccessSettings,
): ChannelPatterns {
  const both = readPatterns(payload[jwtChannelClaim]);
  return {
    subscribe: union(both, readPatterns(payload[jwtSubscribeClaim])),
    publish: union(both, readPatterns(payload[jwtPublishClaim])),
  };
}

/** Most tokens have one claim, whose list needs no copy. */
function union(one: readonly string[], other: readonly string[]): readonly string[] {
  if (one.length === 0) return other;
  return other.length === 0 ? one : [...new Set([...one, ...other])];
}

const NO_PATTERNS: readonly string[] = [];

/** @param claim a list of names, or one text with spaces between the names. A claim of any other type lists nothing. */
function readPatterns(claim: unknown): readonly string[] {
  const patterns: readonly unknown[] = typeof claim === "string" ? claim.split(" ") : asList(claim);
  if (patterns.length === 0) return NO_PATTERNS;
  const texts = patterns.filter(
    (pattern): pattern is string => typeof pattern === "string" && pattern !== "",
  );
  return [...new Set(texts)];
}

function matchesAny(patterns: readonly string[], channel: string): boolean {
  return patterns.some((pattern) => matchesChannel(pattern, channel));
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function readSubject({ sub }: { readonly sub?: unknown }): string | undefined {
  return typeof sub === "string" && sub !== "" ? sub : undefined;
}

function readExpiry({ exp }: JWTPayload): { readonly expiresAt?: number } {
  // 1e999 in JSON is infinite.
  if (exp === undefined || !Number.isFinite(exp)) return {};
  return { expiresAt: exp * 1000 };
}

/** The library's messages can quote the token. These messages do not. */
function explainRefusal(error: unknown, logger: Logger): Grant {
  if (error instanceof KeysUnavailableError) return refused(503, error.message);
  if (error instanceof errors.JWTExpired) return refused(401, "The token has expired.");
  if (error instanceof errors.JWTClaimValidationFailed) {
    return refused(401, `The token's claim ${JSON.stringify(error.claim)} is not as it must be.`);
  }
  if (error instanceof errors.JWKSNoMatchingKey) return refused(401, "No known key signs such a token.");
  if (error instanceof errors.JWKSMultipleMatchingKeys) {
    return refused(401, "The token does not name its key, and there are several.");
  }
  if (error instanceof errors.JOSEError) return refused(401, "The token is not valid.");

  logger.error({ err: error }, "a token could not be checked");
  return refused(503, "The token could not be checked.");
}

function refused(status: 401 | 503, reason: string): Grant {
  return { granted: false, status, reason };
}
