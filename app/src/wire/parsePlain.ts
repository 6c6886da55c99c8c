import { canonicalize, parseJson } from "./parseValue.ts";
import type { CanonicalValue, InvalidMessage } from "./parseValue.ts";

/**
 * Parses a message from a client of the `plain` dialect, which is the published value itself.
 * @param text `undefined` if the message was not UTF-8.
 * @param maxBytes limit for the canonical JSON, which can be several times as long as the text.
 */
export function parsePlain(text: string | undefined, maxBytes: number): CanonicalValue | InvalidMessage {
  const parsed = parseJson(text, false);
  return parsed.kind === "invalid" ? parsed : canonicalize(parsed.value, parsed.text, false, maxBytes);
}
