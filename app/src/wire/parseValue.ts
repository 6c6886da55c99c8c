/** Parsing of JSON from clients, within bounds. */
import { MAX_WIRE_NAME } from "./channelName.ts";
import { hasUnsafeNumber, isTooDeep } from "./jsonText.ts";
import { MAX_DEPTH, MAX_ID_BYTES } from "./messages.ts";
import type { ErrorBody, ErrorCode } from "./messages.ts";
import { exceedsBytes, isText } from "./textBounds.ts";

/** Start and end of a publish as most clients write it, and the depth at which it contains the value. */
const PUBLISH_START = '{"publish":';
const STRING = /"(?:[^"\\]|\\.)*"/.source;
const CHANNEL_AT_END = new RegExp(`"channel" *: *(${STRING}) *(?:, *"id" *: *${STRING} *)?\\}\\s*$`);
const ID_AT_END = new RegExp(`"id" *: *(${STRING}) *\\}\\s*$`);
const PUBLISH_DEPTH = 1;

/** Length of the text's end that is searched for a channel and an id: the longest ones in escape sequences, and their surroundings. */
const MAX_PUBLISH_END = 2048;

export interface InvalidMessage {
  readonly kind: "invalid";
  readonly error: ErrorBody;
  /** Whether it is a subscribe or an unsubscribe. */
  readonly isSubscription?: boolean;
}

export interface ParsedJson {
  readonly kind: "json";
  readonly value: unknown;
  readonly text: string;
}

/** A published value as canonical JSON: the output of `JSON.stringify`. */
export interface CanonicalValue {
  readonly kind: "value";
  readonly json: string;
}

/**
 * Parses the text of a message.
 * @param text `undefined` if the message was not UTF-8.
 * @param isEnvelope whether the published value is in an object, which can also have an id.
 */
export function parseJson(text: string | undefined, isEnvelope: boolean): ParsedJson | InvalidMessage {
  if (text === undefined) return reject("invalid_json", "The message is not UTF-8.");
  if (isTooDeep(text, isEnvelope ? MAX_DEPTH + PUBLISH_DEPTH : MAX_DEPTH)) {
    return rejectTooDeep(text, isEnvelope);
  }
  try {
    return { kind: "json", value: JSON.parse(text) as unknown, text };
  } catch {
    // The engine's message quotes the text, which must not appear in an answer or a log.
    return reject("invalid_json", "The message is not JSON.");
  }
}

/**
 * Checks a published value.
 *
 * The value is serialized again rather than passed on as it arrived. All clients receive the same canonical bytes: without white
 * space and duplicate keys, and in well-formed Unicode. `encodeBroadcast` relies on it.
 * @param text what the client sent.
 * @param maxBytes limit for the canonical JSON, which can be several times as long as the text.
 */
export function canonicalize(
  value: unknown,
  text: string,
  isEnvelope: boolean,
  maxBytes: number,
): CanonicalValue | InvalidMessage {
  const json = JSON.stringify(value);
  // Most clients send canonical JSON, in which no number can change. The comparison is much faster than the search.
  const isCanonical = isEnvelope ? hasPublishOf(text, json) : text === json;
  if (!isCanonical && hasUnsafeNumber(text)) {
    return reject(
      "unsafe_number",
      "A number is too large, too small, or has too many digits to be delivered as it is.",
    );
  }
  if (exceedsBytes(json, maxBytes)) {
    return reject("too_large", `The message has more than ${maxBytes} bytes in canonical form.`);
  }
  return { kind: "value", json };
}

/** Whether a value is an id of a publish. */
export function isId(value: unknown): value is string {
  return isText(value, MAX_ID_BYTES);
}

export const INVALID_ID = `The id is not a string of 1 to ${MAX_ID_BYTES} bytes.`;

export function reject(
  code: ErrorCode,
  message: string,
  about: Pick<ErrorBody, "channel" | "id"> = {},
): InvalidMessage {
  return { kind: "invalid", error: { code, message, ...about } };
}

/** Whether the text begins with a publish of this JSON, and the value ends with it. */
function hasPublishOf(text: string, json: string): boolean {
  const next = text.charAt(PUBLISH_START.length + json.length);
  return (next === "," || next === "}") && text.startsWith(json, PUBLISH_START.length);
}

/** The text is not parsed, so the channel and the id are searched at its end, at which most clients write them. */
function rejectTooDeep(text: string, isEnvelope: boolean): InvalidMessage {
  const message = `Arrays and objects are nested more than ${MAX_DEPTH} deep.`;
  if (!isEnvelope) return reject("too_deep", message);
  const end = text.slice(-MAX_PUBLISH_END);
  const [channel, id] = [parseString(CHANNEL_AT_END.exec(end)), parseString(ID_AT_END.exec(end))];
  return reject("too_deep", message, { ...aboutChannel(channel), ...(isId(id) && { id }) });
}

/** For an error: the name of a channel as the client sent it, unless it is too long. */
export function aboutChannel(name: unknown): { readonly channel?: string } {
  return typeof name === "string" && name.length <= MAX_WIRE_NAME ? { channel: name } : {};
}

/** @param found a string in JSON, which may be malformed. */
function parseString(found: RegExpExecArray | null): unknown {
  try {
    return JSON.parse(found?.[1] ?? "null") as unknown;
  } catch {
    return undefined;
  }
}
