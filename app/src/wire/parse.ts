/** Parsing and validation of the messages that clients send. */
import { hasUnsafeNumber, isTooDeep } from "./jsonText.ts";
import { MAX_DEPTH, MAX_ID_BYTES } from "./messages.ts";
import type { ClientMessage, Dialect, ErrorCode } from "./messages.ts";

/** Maximum number of UTF-8 bytes of one UTF-16 code unit. */
const MAX_UTF8_BYTES = 3;

/** Start and end of a `resume` message as most clients write it, and the depth at which it contains the value. */
const ENVELOPE_START = '{"publish":';
const ENVELOPE_END = /"id" *: *("(?:[^"\\]|\\.)*") *\}\s*$/;
const ENVELOPE_DEPTH = 1;

/** Length of the text's end that is searched for an id: the longest id in escape sequences, and its surroundings. */
const MAX_ENVELOPE_END = 1024;

/**
 * Parses a client's message.
 *
 * The value is parsed and serialized again rather than passed on as it arrived. All clients receive the same canonical bytes:
 * without white space and duplicate keys, and in well-formed Unicode. `encodeBroadcast` relies on it.
 * @param text `undefined` if the message was not UTF-8.
 * @param maxBytes limit for the canonical JSON, which can be several times as long as the text.
 */
export function parse(text: string | undefined, dialect: Dialect, maxBytes: number): ClientMessage {
  if (text === undefined) return reject("invalid_json", "The message is not UTF-8.");
  if (isTooDeep(text, dialect === "plain" ? MAX_DEPTH : MAX_DEPTH + ENVELOPE_DEPTH)) {
    return rejectTooDeep(text, dialect);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The engine's message quotes the text, which must not appear in an answer or a log.
    return reject("invalid_json", "The message is not JSON.");
  }
  return dialect === "plain" ? parseValue(value, text, 0, maxBytes) : parseEnvelope(value, text, maxBytes);
}

/** Reads a message of the `resume` dialect: `{"publish":…,"id":…}`. */
function parseEnvelope(value: unknown, text: string, maxBytes: number): ClientMessage {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, "publish")) {
    return reject("invalid_message", 'The message is not an object with the key "publish".');
  }
  const { publish, id } = value as { readonly publish: unknown; readonly id?: unknown };
  if (id === undefined) return parseValue(publish, text, ENVELOPE_START.length, maxBytes);
  // A store replaces ill-formed Unicode, which could make two ids equal.
  if (typeof id !== "string" || id === "" || !id.isWellFormed() || Buffer.byteLength(id) > MAX_ID_BYTES) {
    return reject("invalid_message", `The id is not a string of 1 to ${MAX_ID_BYTES} bytes.`);
  }
  const message = parseValue(publish, text, ENVELOPE_START.length, maxBytes);
  return message.kind === "publish" ? { ...message, id } : { ...message, error: { ...message.error, id } };
}

/**
 * @param text what the client sent.
 * @param start position of the value in the text, if the client writes messages as `JSON.stringify` does.
 */
function parseValue(value: unknown, text: string, start: number, maxBytes: number): ClientMessage {
  const json = JSON.stringify(value);
  // Most clients send canonical JSON, in which no number can change. The comparison is much faster than the search.
  if (!hasValueAt(text, start, json) && hasUnsafeNumber(text)) {
    return reject(
      "unsafe_number",
      "A number is too large, too small, or has too many digits to be delivered as it is.",
    );
  }
  if (json.length * MAX_UTF8_BYTES > maxBytes && Buffer.byteLength(json) > maxBytes) {
    return reject("too_large", `The message has more than ${maxBytes} bytes in canonical form.`);
  }
  return { kind: "publish", json };
}

/** Whether the text contains this JSON at `start`, and the value ends with it. */
function hasValueAt(text: string, start: number, json: string): boolean {
  if (start === 0) return text === json;
  const next = text.charAt(start + json.length);
  return (next === "," || next === "}") && text.startsWith(json, start);
}

/** The text is not parsed, so the id is searched at its end, at which most clients write it. */
function rejectTooDeep(text: string, dialect: Dialect): ClientMessage {
  const message = `Arrays and objects are nested more than ${MAX_DEPTH} deep.`;
  const [, json] = ENVELOPE_END.exec(text.slice(-MAX_ENVELOPE_END)) ?? [];
  const id = dialect === "plain" || json === undefined ? undefined : parseString(json);
  return { kind: "invalid", error: { code: "too_deep", message, ...(id !== undefined && { id }) } };
}

/** @param json a string in JSON, which may be malformed. */
function parseString(json: string): string | undefined {
  try {
    return JSON.parse(json) as string;
  } catch {
    return undefined;
  }
}

function reject(code: ErrorCode, message: string): ClientMessage {
  return { kind: "invalid", error: { code, message } };
}
