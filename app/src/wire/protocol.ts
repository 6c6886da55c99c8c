/**
 * What client and server say to each other; PROTOCOL.md describes it for the authors of clients.
 */
import { MAX_HEADER_BYTES } from "./frame.ts";
import { hasUnsafeNumber, isTooDeep } from "./jsonText.ts";

/** Which of the two ways of talking a client has chosen. */
export type Dialect = "plain" | "resume";

/** Subprotocol of the `resume` dialect. */
export const RESUME_SUBPROTOCOL = "resume.v1";

/** Most bytes of a publish's id, in UTF-8. */
export const MAX_ID_BYTES = 128;

/** Most arrays and objects that a published value may have inside one another. */
export const MAX_DEPTH = 64;

/** The reasons for which the server closes a connection, as RFC 6455 §7.4.1 and the IANA registry name them. */
export const CloseCode = {
  /** The server shuts down: connect again, another one answers. */
  goingAway: 1001,
  /** A frame breaks RFC 6455. */
  protocolError: 1002,
  /** A text frame is not UTF-8. */
  invalidPayload: 1007,
  /** The client sent more than its rates allow, or a message too slowly or in too many parts, or its token has expired. */
  policyViolation: 1008,
  /** A message was larger than the limit. */
  messageTooBig: 1009,
  /** Connect again, so that another server takes over. */
  serviceRestart: 1012,
  /** The client reads too slowly, or the server holds too many messages that are not complete: connect again, later. */
  tryAgainLater: 1013,
} as const;

/** What one frame of a client means. */
export type ClientMessage =
  | {
      readonly kind: "publish";
      /** The value in canonical form: what `JSON.stringify` makes of it. */
      readonly json: string;
      readonly id?: string;
    }
  | { readonly kind: "invalid"; readonly error: ErrorBody };

export type ErrorCode =
  | "invalid_json"
  | "invalid_message"
  | "too_deep"
  | "too_large"
  | "unsafe_number"
  | "forbidden"
  | "unavailable"
  | "id_in_use";

export interface ErrorBody {
  readonly code: ErrorCode;
  /** For people: may change at any time. */
  readonly message: string;
  /** Of the publish that it answers. */
  readonly id?: string;
}

/** Messages that a client does not get: from `from` to `to`, or nobody knows how many. */
export interface Gap {
  readonly epoch: string;
  readonly from: number;
  readonly to?: number;
}

/** What the server says to one client alone, but for a greeting and a gap, which all may get when a log begins anew. */
export type ServerMessage =
  | { readonly connection: "ok" }
  | {
      readonly connection: "ok";
      readonly epoch: string;
      readonly offset: number;
      /** In seconds. */
      readonly heartbeat: number;
    }
  | { readonly gap: Gap }
  | {
      readonly ack: string;
      readonly epoch: string;
      readonly offset: number;
      /** The message had been stored before. */
      readonly duplicate?: true;
    }
  /** In seconds. */
  | { readonly heartbeat: number }
  | { readonly error: ErrorBody };

/**
 * Reads the text of a frame.
 *
 * The value is parsed and written anew rather than passed on as it came, so that every client gets the same
 * canonical bytes: no white space, one of several equal keys, well-formed Unicode. {@link broadcastText} relies
 * on it.
 * @param text none where the frame was not UTF-8.
 * @param maxBytes most that the canonical text may have: it can be several times as long as what was sent.
 */
export function parse(text: string | undefined, dialect: Dialect, maxBytes: number): ClientMessage {
  if (text === undefined) return invalid("invalid_json", "The message is not UTF-8.");
  if (isTooDeep(text, dialect === "plain" ? MAX_DEPTH : MAX_DEPTH + ENVELOPE_DEPTH)) {
    return tooDeep(text, dialect);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The engine's own words quote the message, which belongs into no answer and no log.
    return invalid("invalid_json", "The message is not JSON.");
  }
  return dialect === "plain" ? publishOf(value, text, 0, maxBytes) : envelopeOf(value, text, maxBytes);
}

export function encode(message: ServerMessage): string {
  return JSON.stringify(message);
}

/**
 * The text that all clients of a dialect receive for a published value: `JSON.stringify({ message: value })`, without
 * parsing the value again on every task that delivers it.
 * @param json the value in canonical form, as {@link parse} made it; anything else would break the frame.
 */
export function broadcastText(dialect: Dialect, json: string, offset: number): string {
  return dialect === "plain"
    ? `${MESSAGE_START}${json}}`
    : `${MESSAGE_START}${json}${OFFSET_START}${offset}}`;
}

/** The inverse of {@link broadcastText}: the published value in canonical form. */
export function jsonOf(dialect: Dialect, broadcast: string): string {
  const end = dialect === "plain" ? -1 : broadcast.lastIndexOf(OFFSET_START);
  return broadcast.slice(MESSAGE_START.length, end);
}

/** Of one UTF-16 code unit. */
const MAX_UTF8_BYTES = 3;

const MESSAGE_START = '{"message":';
const OFFSET_START = ',"offset":';

/** Most bytes that a message's frame has beside the message. */
export const MAX_ENVELOPE_BYTES =
  MAX_HEADER_BYTES + `${MESSAGE_START}${OFFSET_START}${Number.MAX_SAFE_INTEGER}}`.length;

/** How a `resume` client's frame usually begins and ends, and how deep its value lies. */
const ENVELOPE_START = '{"publish":';
const ENVELOPE_END = /"id" *: *("(?:[^"\\]|\\.)*") *\}\s*$/;
const ENVELOPE_DEPTH = 1;

/** End of a text that is searched for an id: most that one takes in escapes, and what surrounds it. */
const MAX_ENVELOPE_END = 1024;

/** What a `resume` client sends: `{"publish":…,"id":…}`. */
function envelopeOf(value: unknown, text: string, maxBytes: number): ClientMessage {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, "publish")) {
    return invalid("invalid_message", 'The message is not an object with the key "publish".');
  }
  const { publish, id } = value as { readonly publish: unknown; readonly id?: unknown };
  if (id === undefined) return publishOf(publish, text, ENVELOPE_START.length, maxBytes);
  // Without UTF-8 of its own, an id could become equal to another one in a store.
  if (typeof id !== "string" || id === "" || !id.isWellFormed() || Buffer.byteLength(id) > MAX_ID_BYTES) {
    return invalid("invalid_message", `The id is not a text of 1 to ${MAX_ID_BYTES} bytes.`);
  }
  const message = publishOf(publish, text, ENVELOPE_START.length, maxBytes);
  return message.kind === "publish" ? { ...message, id } : { ...message, error: { ...message.error, id } };
}

/**
 * @param text what the client sent.
 * @param start where the value begins in the text if the client writes it as this server does.
 */
function publishOf(value: unknown, text: string, start: number, maxBytes: number): ClientMessage {
  const json = JSON.stringify(value);
  // A canonical text has changed nothing. Most clients send one, and comparing is much faster than searching.
  if (!isValueAt(text, start, json) && hasUnsafeNumber(text)) {
    return invalid(
      "unsafe_number",
      "A number is too large, too small, or has too many digits to be delivered as it is.",
    );
  }
  if (json.length * MAX_UTF8_BYTES > maxBytes && Buffer.byteLength(json) > maxBytes) {
    return invalid("too_large", `The message has more than ${maxBytes} bytes in canonical form.`);
  }
  return { kind: "publish", json };
}

/** Whether the text has this JSON at `start`, and no more of the same value. */
function isValueAt(text: string, start: number, json: string): boolean {
  if (start === 0) return text === json;
  const next = text.charAt(start + json.length);
  return (next === "," || next === "}") && text.startsWith(json, start);
}

/** Such a text is not parsed, so the id is read from the end, where clients have it. */
function tooDeep(text: string, dialect: Dialect): ClientMessage {
  const message = `Arrays and objects are nested more than ${MAX_DEPTH} deep.`;
  const [, json] = ENVELOPE_END.exec(text.slice(-MAX_ENVELOPE_END)) ?? [];
  const id = dialect === "plain" || json === undefined ? undefined : asId(json);
  return { kind: "invalid", error: { code: "too_deep", message, ...(id !== undefined && { id }) } };
}

/** @param json of a string, or something like it. */
function asId(json: string): string | undefined {
  try {
    return JSON.parse(json) as string;
  } catch {
    return undefined;
  }
}

function invalid(code: ErrorCode, message: string): ClientMessage {
  return { kind: "invalid", error: { code, message } };
}
