/** The client asks for a new token after this part of the remaining time, plus a random part, so that clients do not coincide. */
const MIN_PART = 0.75;
const RANDOM_PART = 0.15;

/** Minimum time between two tokens, for a token function that returns the same token again. */
const MIN_RENEWAL_MS = 1000;

/**
 * Returns the milliseconds until the client asks for a new token.
 * @param expiresIn milliseconds until the present one expires.
 * @param random at least 0 and less than 1.
 */
export function renewalDelay(expiresIn: number, random: number): number {
  return Math.max(MIN_RENEWAL_MS, expiresIn * (MIN_PART + RANDOM_PART * random));
}
