/** `authorize` of the handlers, after the token has been checked. */
import type { Logger } from "pino";

import { CLOCK_TOLERANCE_SECONDS, MAX_SUBJECT_BYTES, OPEN_GRANT, PatternAccess } from "../auth/authorize.ts";
import type { Authorizer, Grant, RequestAuthorizer } from "../auth/authorize.ts";
import { isChannelPattern } from "../settings/channelPattern.ts";
import { isText } from "../wire/textBounds.ts";
import type { HandlerContext } from "./context.ts";
import { isPromise, within } from "./deadline.ts";
import type { Authorization, Handlers } from "./handlers.ts";
import { Rejection } from "./rejection.ts";

/** The code of a {@link Rejection} that asks for other credentials. */
const UNAUTHORIZED = "unauthorized";

export interface AuthorizationParts {
  /** Checks the token; `undefined` if clients need none. */
  readonly authorize: Authorizer | undefined;
  readonly handlers: Handlers;
  readonly context: HandlerContext;
  readonly timeoutMs: number;
  readonly logger: Logger;
}

/** Returns the authorizer that asks the handler. Without one, it returns `authorize`. */
export function addAuthorization({
  authorize,
  handlers,
  context,
  timeoutMs,
  logger,
}: AuthorizationParts): RequestAuthorizer | undefined {
  if (handlers.authorize === undefined) return authorize;
  return async ({ request, ...credentials }) => {
    const grant = authorize === undefined ? OPEN_GRANT : await authorize(credentials);
    if (!grant.granted) return grant;
    try {
      const { headers, address, url } = request;
      const result = handlers.authorize?.({ token: grant.claims, headers, address, url }, context);
      const authorization = isPromise(result) ? await within(timeoutMs, result) : result;
      return authorization === undefined ? grant : refine(grant, check(authorization));
    } catch (error) {
      if (error instanceof Rejection) {
        return {
          granted: false,
          status: error.code === UNAUTHORIZED ? 401 : 403,
          reason: error.message,
        };
      }
      logger.error({ err: error, handler: "authorize" }, "a handler failed");
      return { granted: false, status: 503, reason: "The client could not be authorized." };
    }
  };
}

function refine(grant: Extract<Grant, { readonly granted: true }>, authorization: Authorization): Grant {
  const { user = grant.subject, expiresAt = grant.expiresAt, subscribe = [], publish = [] } = authorization;
  if (expiresAt !== undefined && expiresAt + CLOCK_TOLERANCE_SECONDS * 1000 <= Date.now()) {
    return { granted: false, status: 401, reason: "The authorization has expired." };
  }
  return {
    granted: true,
    access: new PatternAccess({ subscribe: [...subscribe], publish: [...publish] }),
    ...(user !== undefined && { subject: user }),
    ...(expiresAt !== undefined && { expiresAt }),
    ...(grant.claims !== undefined && { claims: grant.claims }),
  };
}

/** @throws {TypeError} if a member is not legal. */
function check(authorization: Authorization): Authorization {
  const { user, subscribe, publish, expiresAt } = authorization;
  if (user !== undefined && !isUser(user)) {
    throw new TypeError(
      `\`user\`: got ${JSON.stringify(user)}; expected a string of 1 to ${MAX_SUBJECT_BYTES} bytes.`,
    );
  }
  if (expiresAt !== undefined && !Number.isFinite(expiresAt)) {
    throw new TypeError(`\`expiresAt\`: got ${String(expiresAt)}; expected milliseconds since 1970.`);
  }
  for (const [name, patterns] of Object.entries({ subscribe, publish })) {
    if (patterns === undefined) continue;
    const wrong: unknown = Array.isArray(patterns)
      ? patterns.find((pattern) => !isPattern(pattern))
      : patterns;
    if (wrong !== undefined) {
      throw new TypeError(
        `\`${name}\`: got ${JSON.stringify(wrong)}; expected a list of channels, / and prefixes that end with *.`,
      );
    }
  }
  return authorization;
}

function isPattern(pattern: unknown): boolean {
  return typeof pattern === "string" && isChannelPattern(pattern);
}

/** Whether a value can be the user of a client. */
export function isUser(value: unknown): value is string {
  return isText(value, MAX_SUBJECT_BYTES);
}
