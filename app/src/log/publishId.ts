/** Fixed-length names and digests for the ids of publishes, which can be long. */
import { hash } from "node:crypto";

/** Number of base64url characters of a SHA-256: 96 bits for a name, 72 bits for a digest. */
const NAME_LENGTH = 16;
const DIGEST_LENGTH = 12;

/** Returns a name of 16 characters for an id. It is unique among all publishers of a channel. */
export function idName(id: string, publisher = ""): string {
  return hash("sha256", `${publisher.length}:${publisher}${id}`, "base64url").slice(0, NAME_LENGTH);
}

/** Returns a digest of 12 characters, which distinguishes the records of one id. */
export function recordDigest(record: string): string {
  return hash("sha256", record, "base64url").slice(0, DIGEST_LENGTH);
}
