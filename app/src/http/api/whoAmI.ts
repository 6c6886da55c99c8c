import type { RequestHandler } from "express";

import type { Requesters } from "./requesters.ts";

/** The answer to `GET /whoami`. */
export interface WhoAmI {
  /** The subject of the token; absent if there is none. */
  readonly user?: string;
  /** Channels that the sender may read: names, `/` for the default channel, and prefixes that end with `*`. */
  readonly subscribe: readonly string[];
  /** Channels that the sender may publish to, in the same form. */
  readonly publish: readonly string[];
  /** When the token expires, in milliseconds since 1970; absent if it never does. */
  readonly expiresAt?: number;
}

/** Creates the handler of `GET /whoami`: the sender of the request, as the server identifies it. */
export function createWhoAmIHandler(requesters: Requesters): RequestHandler {
  return async (request, response) => {
    const { publisher: user, access, expiresAt } = await requesters.identify(request);
    const answer: WhoAmI = {
      ...(user !== undefined && { user }),
      ...access.patterns(),
      ...(expiresAt !== undefined && { expiresAt }),
    };
    response.set("Cache-Control", "no-store").json(answer);
  };
}
