import { createHash } from "node:crypto";

/** The first hexadecimal digits of a text's hash: tells names apart where the text itself has no room. */
export function shortHash(text: string, digits: number): string {
  return createHash("sha256").update(text).digest("hex").slice(0, digits);
}
