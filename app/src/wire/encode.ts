/** The text of the messages that the server sends. */
import { MAX_HEADER_BYTES } from "./frame.ts";
import type { Dialect, ServerMessage } from "./messages.ts";

const MESSAGE_START = '{"message":';
const OFFSET_START = ',"offset":';

/** Maximum number of bytes that the frame of a published value has besides the value. */
export const MAX_ENVELOPE_BYTES =
  MAX_HEADER_BYTES + `${MESSAGE_START}${OFFSET_START}${Number.MAX_SAFE_INTEGER}}`.length;

/** Returns the text of a message to one client. */
export function encode(message: ServerMessage): string {
  return JSON.stringify(message);
}

/**
 * Returns the text that all clients of a dialect receive for a published value: `JSON.stringify({ message, offset })`, or
 * without the offset in the `plain` dialect. The value is not parsed again.
 * @param json the value as canonical JSON, as `parse` returns it. Other text can break the frame.
 */
export function encodeBroadcast(dialect: Dialect, json: string, offset: number): string {
  return dialect === "plain"
    ? `${MESSAGE_START}${json}}`
    : `${MESSAGE_START}${json}${OFFSET_START}${offset}}`;
}

/** Returns the published value as canonical JSON: the inverse of {@link encodeBroadcast}. */
export function decodeBroadcast(dialect: Dialect, broadcast: string): string {
  const end = dialect === "plain" ? -1 : broadcast.lastIndexOf(OFFSET_START);
  return broadcast.slice(MESSAGE_START.length, end);
}
