/** The opening handshake: parsing of the upgrade request, and the answer that accepts it. */
import { hash } from "node:crypto";
import type { IncomingMessage } from "node:http";

import { CHANNEL_NAME_RULE, DEFAULT_CHANNEL, isChannelName } from "../wire/channelName.ts";
import { CHANNELS_SUBPROTOCOL } from "../wire/messages.ts";
import { PATHS } from "../settings/contract.ts";
import type { Refusal } from "./refusal.ts";

/**
 * A request target in origin-form or in absolute-form (RFC 9112 §3.2), with the part of the path after `PATHS.websocket`. The path is
 * not decoded, so that a proxy in front of the server reads the same channel from it.
 */
const TARGET = new RegExp(
  String.raw`^(?:(?i:https?|wss?)://(?:[\w.~-]+|\[[\da-fA-F:.]+\])(?::\d*)?)?${PATHS.websocket}(/[^?#]*)?(?:\?[^#]*)?$`,
);

/** @see https://www.rfc-editor.org/rfc/rfc6455#section-1.3 */
const ACCEPT_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const VERSION = "13";
/** 16 bytes in base64. */
const KEY = /^[+/0-9A-Za-z]{22}==$/;

/** The name of a subprotocol is a token of RFC 9110 §5.6.2. */
const SUBPROTOCOL = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** A valid upgrade request. */
export type Handshake = (
  | { readonly dialect: "plain"; readonly channel: string }
  /** The client subscribes to channels by messages. */
  | { readonly dialect: "channels" }
) & {
  /** All subprotocols that the client offers. */
  readonly subprotocols: readonly string[];
  readonly key: string;
};

/** Parses an upgrade request. It does not check whether the client may connect. */
export function readHandshake(request: IncomingMessage): Handshake | Refusal {
  const { headers, method, url = "" } = request;
  if (method !== "GET") return { status: 405, headers: { Allow: "GET" } };
  if (request.httpVersion !== "1.1") return bad("An upgrade needs HTTP/1.1.");
  if (!hasOneHost(request)) return bad("One Host is needed.");
  if (hasBody(request)) return bad("An upgrade has no body.");

  const target = TARGET.exec(url);
  if (target === null) return { status: 404 };
  const channel = target[1]?.slice(1) ?? DEFAULT_CHANNEL;
  if (!isChannel(channel)) return bad(CHANNEL_NAME_RULE);

  const key = headers["sec-websocket-key"];
  if (key === undefined || !KEY.test(key)) return bad("Sec-WebSocket-Key must be 16 bytes in base64.");
  if (headers["sec-websocket-version"] !== VERSION) {
    return {
      ...bad(`Sec-WebSocket-Version must be ${VERSION}.`),
      headers: { "Sec-WebSocket-Version": VERSION },
    };
  }
  const subprotocols = parseList(headers["sec-websocket-protocol"]);
  if (!subprotocols.every((name) => SUBPROTOCOL.test(name)))
    return bad("Sec-WebSocket-Protocol is malformed.");

  if (!subprotocols.includes(CHANNELS_SUBPROTOCOL)) return { dialect: "plain", channel, subprotocols, key };
  return channel === DEFAULT_CHANNEL
    ? { dialect: "channels", subprotocols, key }
    : bad(`The path of ${CHANNELS_SUBPROTOCOL} is ${PATHS.websocket}, without a channel.`);
}

/** Whether a path, given without its query, is the path of a channel. */
export function isChannelPath(path: string): boolean {
  return (
    path === PATHS.websocket ||
    (path.startsWith(`${PATHS.websocket}/`) && isChannel(path.slice(PATHS.websocket.length + 1)))
  );
}

function isChannel(name: string): boolean {
  return name === DEFAULT_CHANNEL || isChannelName(name);
}

/** Renders the answer that accepts an upgrade. */
export function renderAcceptance({ key, dialect }: Handshake): string {
  const accept = hash("sha1", key + ACCEPT_GUID, "base64");
  const subprotocol = dialect === "plain" ? "" : `Sec-WebSocket-Protocol: ${CHANNELS_SUBPROTOCOL}\r\n`;
  return (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
    `Sec-WebSocket-Accept: ${accept}\r\n${subprotocol}\r\n`
  );
}

function bad(reason: string): Refusal {
  return { status: 400, reason };
}

/** @see https://www.rfc-editor.org/rfc/rfc9112#section-3.2-6 */
function hasOneHost({ headersDistinct }: IncomingMessage): boolean {
  return headersDistinct["host"]?.length === 1;
}

/** A body would precede the first frame, and would be read as a frame. */
function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/** Returns the elements of a list header without the empty ones (RFC 9110 §5.6.1.2). */
function parseList(list = ""): string[] {
  return list
    .split(",")
    .map((element) => element.trim())
    .filter((element) => element !== "");
}
