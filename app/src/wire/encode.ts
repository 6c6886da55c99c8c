/** The text of the messages that the server sends. */
import { toWireName } from "./channelName.ts";
import { MAX_HEADER_BYTES } from "./frame.ts";
import type { Dialect, ServerMessage } from "./messages.ts";

const MESSAGE_START = '{"message":';
const OFFSET_START = ',"offset":';
const CHANNEL_START = '{"channel":"';
const CHANNEL_OFFSET = '","offset":';
const CHANNEL_MESSAGE = ',"message":';
const FROM_START = ',"from":';

/** Maximum number of bytes that the frame of a published value has besides the value, in the dialects `plain` and `resume`. */
export const MAX_ENVELOPE_BYTES =
  MAX_HEADER_BYTES + `${MESSAGE_START}${OFFSET_START}${Number.MAX_SAFE_INTEGER}}`.length;

/** A published value of a channel. */
export interface Broadcast {
  readonly channel: string;
  readonly offset: number;
  /** The value as canonical JSON, as `parse` returns it. Other text can break the frame. */
  readonly payload: string;
  /** The subject of the publisher; `undefined` if there is none. */
  readonly from: string | undefined;
}

/** Returns the text of a message to one client. */
export function encode(message: ServerMessage): string {
  return JSON.stringify(message);
}

/**
 * Returns the text that all clients of a dialect receive for a published value. The value is not parsed again.
 *
 * - `plain`: `{ message }`
 * - `resume`: `{ message, offset }`
 * - `channels`: `{ channel, offset, message, from }`
 */
export function encodeBroadcast(dialect: Dialect, { channel, offset, payload, from }: Broadcast): string {
  switch (dialect) {
    case "plain":
      return `${MESSAGE_START}${payload}}`;
    case "resume":
      return `${MESSAGE_START}${payload}${OFFSET_START}${offset}}`;
    case "channels": {
      const end = from === undefined ? "}" : `${FROM_START}${JSON.stringify(from)}}`;
      return `${CHANNEL_START}${toWireName(channel)}${CHANNEL_OFFSET}${offset}${CHANNEL_MESSAGE}${payload}${end}`;
    }
  }
}

/** Returns the published value and its publisher: the inverse of {@link encodeBroadcast}, as far as the dialect has them. */
export function decodeBroadcast(dialect: Dialect, broadcast: string): Pick<Broadcast, "payload" | "from"> {
  if (dialect === "channels") {
    const { message, from } = JSON.parse(broadcast) as { readonly message: unknown; readonly from?: string };
    return { payload: JSON.stringify(message), from };
  }
  const end = dialect === "plain" ? -1 : broadcast.lastIndexOf(OFFSET_START);
  return { payload: broadcast.slice(MESSAGE_START.length, end), from: undefined };
}
