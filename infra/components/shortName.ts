/** Names of resources whose physical names have a length limit. */
import { createHash } from "node:crypto";

/** The names of load balancers and target groups have at most 32 characters, of which Pulumi appends eight. */
const MAX_LENGTH = 24;

/** Digits of the hash in place of the end of a long name. */
const HASH_DIGITS = 6;

/** Joins the parts of a name with hyphens. The end of a long name is replaced by a hash of the whole. */
export function shortName(...parts: readonly string[]): string {
  const name = parts.join("-");
  if (name.length <= MAX_LENGTH) return name;
  const start = name.slice(0, MAX_LENGTH - HASH_DIGITS - 1).replace(/-$/, "");
  return `${start}-${shortHash(name, HASH_DIGITS)}`;
}

/** Returns the first hexadecimal digits of the SHA-256 hash of a text. */
export function shortHash(text: string, digits: number): string {
  return createHash("sha256").update(text).digest("hex").slice(0, digits);
}
