/** The names of channels. */

/** The channel of a connection without a name in its path. All other channels have a name. */
export const DEFAULT_CHANNEL = "";

/** Name of the default channel in the messages of `channels.v1`. No other channel can have this name. */
const DEFAULT_CHANNEL_ON_WIRE = "/";

/**
 * A name of a channel needs no escape in a path: RFC 3986 §2.3 calls these characters unreserved. `.` and `..` are not
 * allowed, because clients resolve them before they send the request (§5.2.4).
 */
const CHANNEL_NAME = /^(?!\.{1,2}$)[A-Za-z0-9._~-]{1,64}$/;

/** Maximum length of a name in characters. An error repeats a name up to this length. */
export const MAX_WIRE_NAME = 64;

/** The form of every name but that of the default channel, for an error. */
export const CHANNEL_NAME_RULE =
  "A channel's name has 1 to 64 letters, digits, '.', '_', '~' and '-', and is not '.' or '..'.";

/** Whether a text is the name of a channel, other than the default one. */
export function isChannelName(name: string): boolean {
  return CHANNEL_NAME.test(name);
}

/** Returns the name of a channel in the messages of `channels.v1`. */
export function toWireName(channel: string): string {
  return channel === DEFAULT_CHANNEL ? DEFAULT_CHANNEL_ON_WIRE : channel;
}

/** Returns the channel with a name in a message; `undefined` if no channel can have this name. */
export function fromWireName(name: string): string | undefined {
  if (name === DEFAULT_CHANNEL_ON_WIRE) return DEFAULT_CHANNEL;
  return isChannelName(name) ? name : undefined;
}
