/** The senders of requests, and their rights. */
import type { Request } from "express";

import { authorizeRequest, FULL_ACCESS, OPEN_GRANT } from "../../auth/authorize.ts";
import type { Access, Grant, RequestAuthorizer } from "../../auth/authorize.ts";
import { clientAddress } from "../../auth/clientAddress.ts";
import { createUserKey } from "../../auth/users.ts";
import type { User, Users } from "../../auth/users.ts";
import type { Metrics } from "../../metrics/metrics.ts";
import type { Settings } from "../../settings/settings.ts";
import { Problem } from "../problem.ts";
import { ApiKeys } from "./apiKeys.ts";

/** Backends send an API key in this header, and clients a token in `Authorization`. */
export const API_KEY_HEADER = "X-Api-Key";

/** The user of all requests with an API key. No subject or address has this key. */
const BACKEND_USER_KEY = "backend";

/** The codes of the statuses with which a client is refused. */
const REFUSAL_CODES = { 401: "unauthorized", 403: "forbidden", 503: "unavailable" } as const;

/** The sender of a request. */
export interface Requester {
  /** The user whose limits apply. */
  readonly user: User;
  readonly access: Access;
  /** The subject of the token; `undefined` without a token, and for a backend. */
  readonly publisher: string | undefined;
  /** When the token expires, in milliseconds since 1970; `undefined` if it never does. */
  readonly expiresAt: number | undefined;
  /** Whether it has an API key. A backend has every right, and no limit of requests per second. */
  readonly isBackend: boolean;
}

export interface RequestersParts {
  readonly settings: Pick<Settings, "apiKeys" | "trustedProxies">;
  readonly users: Users;
  /** `undefined` if clients need no token. */
  readonly authorize: RequestAuthorizer | undefined;
  readonly metrics: Metrics;
}

export class Requesters {
  readonly #parts: RequestersParts;
  readonly #keys: ApiKeys;

  constructor(parts: RequestersParts) {
    this.#parts = parts;
    this.#keys = new ApiKeys(parts.settings.apiKeys);
  }

  /**
   * Identifies the sender of a request, and charges the request to its user.
   * @throws {Problem} if the API key or the token is not accepted, or the user sends too many requests.
   */
  async identify(request: Request): Promise<Requester> {
    const { users } = this.#parts;
    if (this.#hasKey(request)) {
      const user = users.visit(BACKEND_USER_KEY);
      return { user, access: FULL_ACCESS, publisher: undefined, expiresAt: undefined, isBackend: true };
    }
    const address = clientAddress(request, this.#parts.settings.trustedProxies);
    const { access, subject, expiresAt } = await this.#authorize(request, address);
    const user = users.visit(createUserKey(subject, address));
    const requester = { user, access, publisher: subject, expiresAt, isBackend: false };
    this.charge(requester);
    return requester;
  }

  /** Charges a request, or a further message in it. @throws {Problem} if the user sends too many. */
  charge({ user, isBackend }: Requester): void {
    if (isBackend || user.takeRequest()) return;
    this.#parts.metrics.count("usersLimited", "requests");
    throw new Problem(
      "rate_limited",
      "The user sends too many requests (messagesPerSecond); send it again later.",
    );
  }

  /** Charges bytes to the user. @throws {Problem} if they exceed its rate. */
  chargeBytes({ user }: Requester, bytes: number): void {
    if (user.take(bytes)) return;
    this.#parts.metrics.count("usersLimited", "bytes");
    throw new Problem(
      "rate_limited",
      "The bytes of the user's requests and answers exceed its rate (bytesPerSecondPerUser); send it again later.",
    );
  }

  /** @throws {Problem} if the request has no API key, or another one. */
  requireKey(request: Request): void {
    if (!this.#hasKey(request))
      throw new Problem("unauthorized", `This request needs an API key in ${API_KEY_HEADER}.`);
  }

  #hasKey(request: Request): boolean {
    const key = request.get(API_KEY_HEADER);
    if (key === undefined) return false;
    if (!this.#keys.accepts(key))
      throw new Problem("unauthorized", `The API key in ${API_KEY_HEADER} is not valid.`);
    return true;
  }

  async #authorize(request: Request, address: string): Promise<Extract<Grant, { readonly granted: true }>> {
    const { authorize } = this.#parts;
    if (authorize === undefined) return OPEN_GRANT;
    const grant = await authorizeRequest(authorize, request, {
      protocols: [],
      address,
      url: request.originalUrl,
    });
    if (grant.granted) return grant;
    throw new Problem(REFUSAL_CODES[grant.status], grant.reason);
  }
}
