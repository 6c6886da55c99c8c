/**
 * What client and server say to each other; PROTOCOL.md describes it for the authors of clients.
 */
import { isUtf8 } from "node:buffer";

/** The reasons for which the server closes a connection, as RFC 6455 §7.4.1 and the IANA registry name them. */
export const CloseCode = {
  /** The server shuts down: connect again, another one answers. */
  goingAway: 1001,
  /** The client sent more than its rate allows. */
  policyViolation: 1008,
  /** A message was larger than the limit. */
  messageTooBig: 1009,
  /** The server lost its message log. */
  internalError: 1011,
  /** Connect again, so that another server takes over. Reserved: no server sends it yet. */
  serviceRestart: 1012,
  /** The client reads too slowly, or the server cannot serve it now: connect again, later. */
  tryAgainLater: 1013,
} as const;

/** What one frame of a client means. */
export type ClientMessage =
  | {
      readonly kind: "publish";
      /** The value in canonical form: what `JSON.stringify` makes of it. */
      readonly json: string;
    }
  | { readonly kind: "invalid"; readonly error: ErrorBody };

export interface ErrorBody {
  readonly code: "invalid_json" | "too_large" | "unavailable";
  /** For people: may change at any time. */
  readonly message: string;
}

/** What the server says to one client alone. Broadcasts are made by {@link broadcastText}. */
export type ServerMessage = { readonly connection: "ok" } | { readonly error: ErrorBody };

/**
 * Reads a frame's payload, of a text or a binary frame: both carry JSON.
 *
 * The value is parsed and written anew rather than passed on as it came, so that every client gets the same
 * canonical bytes: no white space, one of several equal keys, well-formed Unicode. {@link broadcastText} relies
 * on it.
 * @param maxBytes most that the canonical text may have: it can be several times as long as what was sent.
 */
export function parse(payload: Buffer, maxBytes: number): ClientMessage {
  if (!isUtf8(payload)) return invalid("invalid_json", "The message is not UTF-8.");
  let json;
  try {
    json = JSON.stringify(JSON.parse(payload.toString()));
  } catch (error) {
    // Reading does not recurse, but writing does: a value can be nested too deeply for the stack.
    if (error instanceof RangeError) return invalid("invalid_json", "The JSON is nested too deeply.");
    // The engine's own words quote the message, which belongs into no answer and no log.
    return invalid("invalid_json", "The message is not JSON.");
  }
  if (Buffer.byteLength(json) > maxBytes) {
    return invalid("too_large", `The message has more than ${maxBytes} bytes in canonical form.`);
  }
  return { kind: "publish", json };
}

export function encode(message: ServerMessage): string {
  return JSON.stringify(message);
}

/**
 * The text that all clients receive for a published value: `JSON.stringify({ message: value })`, without
 * parsing the value again on every task that delivers it.
 * @param json the value in canonical form, as {@link parse} made it; anything else would break the frame.
 */
export function broadcastText(json: string): string {
  return `{"message":${json}}`;
}

function invalid(code: ErrorBody["code"], message: string): ClientMessage {
  return { kind: "invalid", error: { code, message } };
}
