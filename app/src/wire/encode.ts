/** The text of the messages that the server sends. */
import { toWireName } from "./channelName.ts";
import type { Dialect, ServerMessage } from "./messages.ts";

const MESSAGE_START = '{"message":';
const CHANNEL_START = '{"channel":"';
const CHANNEL_OFFSET = '","offset":';
const CHANNEL_MESSAGE = ',"message":';
const FROM_START = ',"from":';

/** A published value of a channel. */
export interface Broadcast {
  readonly channel: string;
  readonly offset: number;
  /** The value as canonical JSON, as the parser returns it. Other text can break the frame. */
  readonly payload: string;
  /** The subject of the publisher; `undefined` if there is none. */
  readonly from: string | undefined;
}

type Ack = Extract<ServerMessage, { readonly ack: string }>;

/** Returns the text of a message to one client. */
export function encode(message: ServerMessage): string {
  return "ack" in message ? encodeAck(message) : JSON.stringify(message);
}

/** Returns what `JSON.stringify` would. Each publish has an acknowledgement, and only its id can have characters to escape. */
function encodeAck({ ack, channel, epoch, offset, duplicate }: Ack): string {
  const end = duplicate === undefined ? "}" : ',"duplicate":true}';
  return `{"ack":${JSON.stringify(ack)},"channel":"${channel}","epoch":"${epoch}","offset":${offset}${end}`;
}

/**
 * Returns the text that all clients of a dialect receive for a published value. The value is not parsed again.
 *
 * - `plain`: `{ message }`
 * - `channels`: `{ channel, offset, message, from }`
 */
export function encodeBroadcast(dialect: Dialect, { channel, offset, payload, from }: Broadcast): string {
  if (dialect === "plain") return `${MESSAGE_START}${payload}}`;
  const end = from === undefined ? "}" : `${FROM_START}${JSON.stringify(from)}}`;
  return `${CHANNEL_START}${toWireName(channel)}${CHANNEL_OFFSET}${offset}${CHANNEL_MESSAGE}${payload}${end}`;
}
