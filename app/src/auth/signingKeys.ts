/** The keys that verify the clients' tokens, fetched from the issuer. */
import { createRemoteJWKSet, errors } from "jose";
import type { JWTVerifyGetKey } from "jose";
import type { Logger } from "pino";

import { RecurringProblem } from "../metrics/recurringProblem.ts";

export interface KeyTiming {
  /** Timeout of a fetch. */
  readonly timeoutMs: number;
  /** Age at which the keys are fetched again. */
  readonly maxAgeMs: number;
  /** Minimum time between two fetches, even if tokens name unknown keys. */
  readonly cooldownMs: number;
}

const KEY_TIMING: KeyTiming = { timeoutMs: 3_000, maxAgeMs: 600_000, cooldownMs: 10_000 };

/** The keys cannot be fetched, so a token cannot be checked. */
export class KeysUnavailableError extends Error {
  override readonly name = "KeysUnavailableError";
}

/**
 * Creates the function that finds the key of a token. Only the first token and tokens with an unknown key wait for a fetch:
 * keys that are too old remain in use while they are fetched again, and while that fails.
 *
 * The function throws {@link KeysUnavailableError} if the keys, or new keys, cannot be fetched.
 */
export function createSigningKeys(
  url: URL,
  logger: Logger,
  { timeoutMs, maxAgeMs, cooldownMs }: KeyTiming = KEY_TIMING,
): JWTVerifyGetKey {
  // The library itself would refuse every token when its keys are too old, and would fetch again after each failure.
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
