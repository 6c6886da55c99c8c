/** Parsing and validation of the messages that clients of the dialects `plain` and `resume` send. */
import type { Dialect, ValueMessage } from "./messages.ts";
import { canonicalize, INVALID_ID, isId, parseJson, reject } from "./parseValue.ts";
import type { InvalidMessage } from "./parseValue.ts";

/**
 * Parses a client's message.
 * @param text `undefined` if the message was not UTF-8.
 * @param maxBytes limit for the canonical JSON, which can be several times as long as the text.
 */
export function parse(
  text: string | undefined,
  dialect: Exclude<Dialect, "channels">,
  maxBytes: number,
): ValueMessage | InvalidMessage {
  const parsed = parseJson(text, dialect === "resume");
  if (parsed.kind === "invalid") return parsed;
  if (dialect === "resume") return parseEnvelope(parsed.value, text ?? "", maxBytes);
  const value = canonicalize(parsed.value, text ?? "", false, maxBytes);
  return value.kind === "invalid" ? value : { kind: "publish", json: value.json };
}

/** Reads a message of the `resume` dialect: `{"publish":…,"id":…}`. */
function parseEnvelope(value: unknown, text: string, maxBytes: number): ValueMessage | InvalidMessage {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, "publish")) {
    return reject("invalid_message", 'The message is not an object with the key "publish".');
  }
  const { publish, id } = value as { readonly publish: unknown; readonly id?: unknown };
  if (id !== undefined && !isId(id)) return reject("invalid_message", INVALID_ID);
  const about = id === undefined ? {} : { id };
  const canonical = canonicalize(publish, text, true, maxBytes);
  return canonical.kind === "invalid"
    ? { ...canonical, error: { ...canonical.error, ...about } }
    : { kind: "publish", json: canonical.json, ...about };
}
