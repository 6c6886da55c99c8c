/** The ids of publishes: what is kept of them is of one size, however long they are. */
import { hash } from "node:crypto";

/** Characters of base64url that are kept of a SHA-256: 96 bits, and 72 bits. */
const NAME_LENGTH = 16;
const DIGEST_LENGTH = 12;

/** Names an id among those of all publishers of a channel. */
export function idName(id: string, publisher = ""): string {
  return hash("sha256", `${publisher.length}:${publisher}${id}`, "base64url").slice(0, NAME_LENGTH);
}

/** Distinguishes the payloads of one id. */
export function payloadDigest(payload: string): string {
  return hash("sha256", payload, "base64url").slice(0, DIGEST_LENGTH);
}
