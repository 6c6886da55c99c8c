import { CLOCK_TOLERANCE_SECONDS } from "../auth/authorize.ts";

/**
 * Starts a timer if a token expires before the next heartbeat. An earlier timer would cost memory all the time. Call it at each
 * heartbeat, until there is a timer.
 * @param expiresAt in milliseconds since 1970; `undefined` if the token never expires.
 * @param onExpired a function without a closure of its own.
 */
export function startExpiry<Client>(
  expiresAt: number | undefined,
  heartbeatMs: number,
  onExpired: (client: Client) => void,
  client: Client,
): NodeJS.Timeout | undefined {
  if (expiresAt === undefined) return undefined;
  const leftMs = expiresAt + CLOCK_TOLERANCE_SECONDS * 1000 - Date.now();
  if (leftMs > 2 * heartbeatMs) return undefined;
  return setTimeout(onExpired, Math.max(leftMs, 0), client).unref();
}
