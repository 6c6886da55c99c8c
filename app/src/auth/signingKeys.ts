/** The keys that sign the clients' tokens, fetched from where the issuer publishes them. */
import { createRemoteJWKSet, errors } from "jose";
import type { JWTVerifyGetKey } from "jose";
import type { Logger } from "pino";

import { RecurringProblem } from "../metrics/recurringProblem.ts";

export interface KeyTiming {
  /** Time in which the keys must arrive. */
  readonly timeoutMs: number;
  /** Age at which keys are fetched anew. */
  readonly maxAgeMs: number;
  /** Time between two fetches at least, however many unknown keys tokens name. */
  readonly cooldownMs: number;
}

const KEY_TIMING: KeyTiming = { timeoutMs: 3_000, maxAgeMs: 600_000, cooldownMs: 10_000 };

/** Nobody can say whether a token is valid. */
export class KeysUnavailableError extends Error {
  override readonly name = "KeysUnavailableError";
}

/**
 * Finds the key that a token names. Only the first caller and those with an unknown key wait for a fetch: keys that
 * are too old go on to serve while they are fetched anew, and for as long as that fails.
 *
 * The key that it gives throws {@link KeysUnavailableError} where the keys, or those that are new, cannot be fetched.
 */
export function createSigningKeys(
  url: URL,
  logger: Logger,
  { timeoutMs, maxAgeMs, cooldownMs }: KeyTiming = KEY_TIMING,
): JWTVerifyGetKey {
  // The library would refuse every token as soon as its keys are too old, and fetch again after each failure.
  const keys = createRemoteJWKSet(url, {
    timeoutDuration: timeoutMs,
    cacheMaxAge: Infinity,
    cooldownDuration: Infinity,
  });
  const absence = new RecurringProblem({
    logger,
    begun: "the keys that sign tokens cannot be fetched",
    ended: "the keys that sign tokens can be fetched again",
    quietMs: Infinity,
  });
  let expiresAt = 0;
  let nextFetchAt = 0;
  let failing = false;
  let fetching: Promise<void> | undefined;

  const fetchKeys = async (): Promise<void> => {
    try {
      await keys.reload();
      failing = false;
      absence.end();
      expiresAt = Date.now() + maxAgeMs;
    } catch (error) {
      failing = true;
      absence.note(error);
    }
    nextFetchAt = Date.now() + cooldownMs;
    fetching = undefined;
  };
  const refresh = (): Promise<void> | undefined => {
    if (Date.now() >= nextFetchAt) fetching ??= fetchKeys();
    return fetching;
  };

  return async (header, token) => {
    const refreshed = Date.now() >= expiresAt ? refresh() : undefined;
    if (keys.jwks() === undefined) await refreshed;
    if (keys.jwks() === undefined) throw new KeysUnavailableError("No keys could be fetched.");
    try {
      return await keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await refresh();
      if (failing) throw new KeysUnavailableError("New keys could not be fetched.", { cause: error });
      return keys(header, token);
    }
  };
}
