/**
 * What client and server say to each other; PROTOCOL.md describes it for the authors of clients.
 */
import { MAX_HEADER_BYTES } from "./frame.ts";

/** Which of the two ways of talking a client has chosen. */
export type Dialect = "plain" | "resume";

/** Subprotocol of the `resume` dialect. */
export const RESUME_SUBPROTOCOL = "resume.v1";

/** Most bytes of a publish's id, in UTF-8. */
export const MAX_ID_BYTES = 128;

/** The reasons for which the server closes a connection, as RFC 6455 §7.4.1 and the IANA registry name them. */
export const CloseCode = {
  /** The server shuts down: connect again, another one answers. */
  goingAway: 1001,
  /** A frame breaks RFC 6455. */
  protocolError: 1002,
  /** A text frame is not UTF-8. */
  invalidPayload: 1007,
  /** The client sent more than its rate allows, or a message in too many parts, or its token has expired. */
  policyViolation: 1008,
  /** A message was larger than the limit. */
  messageTooBig: 1009,
  /** Connect again, so that another server takes over. */
  serviceRestart: 1012,
  /** The client reads too slowly: connect again, later. */
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
  "invalid_json" | "invalid_message" | "too_large" | "forbidden" | "unavailable" | "id_in_use";

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
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The engine's own words quote the message, which belongs into no answer and no log.
    return invalid("invalid_json", "The message is not JSON.");
  }
  return dialect === "plain" ? publishOf(value, maxBytes) : envelopeOf(value, maxBytes);
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

/** What a `resume` client sends: `{"publish":…,"id":…}`. */
function envelopeOf(value: unknown, maxBytes: number): ClientMessage {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, "publish")) {
    return invalid("invalid_message", 'The message is not an object with the key "publish".');
  }
  const { publish, id } = value as { readonly publish: unknown; readonly id?: unknown };
  if (id === undefined) return publishOf(publish, maxBytes);
  // Without UTF-8 of its own, an id could become equal to another one in a store.
  if (typeof id !== "string" || id === "" || !id.isWellFormed() || Buffer.byteLength(id) > MAX_ID_BYTES) {
    return invalid("invalid_message", `The id is not a text of 1 to ${MAX_ID_BYTES} bytes.`);
  }
  const message = publishOf(publish, maxBytes);
  return message.kind === "publish" ? { ...message, id } : { ...message, error: { ...message.error, id } };
}

function publishOf(value: unknown, maxBytes: number): ClientMessage {
  let json;
  try {
    json = JSON.stringify(value);
  } catch {
    // Reading does not recurse, but writing does: a value can be nested too deeply for the stack.
    return invalid("invalid_json", "The JSON is nested too deeply.");
  }
  if (json.length * MAX_UTF8_BYTES > maxBytes && Buffer.byteLength(json) > maxBytes) {
    return invalid("too_large", `The message has more than ${maxBytes} bytes in canonical form.`);
  }
  return { kind: "publish", json };
}

function invalid(code: ErrorCode, message: string): ClientMessage {
  return { kind: "invalid", error: { code, message } };
}
