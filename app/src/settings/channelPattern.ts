/** Patterns of channel names, as in the claims of a token and in the rules of the retention. */

/** The name of the default channel in a pattern: the channel itself has an empty name. No other channel can have this name. */
const DEFAULT_CHANNEL_NAME = "/";

/** At the end of a pattern: matches every name with this prefix. */
const WILDCARD = "*";

/** Matches the whole of a pattern, except {@link IMPOSSIBLE_NAMES}. */
export const CHANNEL_PATTERN = /\/|[A-Za-z0-9._~-]{1,64}|[A-Za-z0-9._~-]{0,64}\*/;

const WHOLE_PATTERN = new RegExp(`^(?:${CHANNEL_PATTERN.source})$`);

/** Names that no channel can have (app/src/wire/channelName.ts). */
export const IMPOSSIBLE_NAMES: readonly string[] = [".", ".."];

/** Whether a text is a {@link CHANNEL_PATTERN}. */
export function isChannelPattern(text: string): boolean {
  return WHOLE_PATTERN.test(text);
}

/**
 * Whether a pattern includes a channel.
 * @param channel its name; the default channel has an empty one.
 */
export function matchesChannel(pattern: string, channel: string): boolean {
  const name = channel === "" ? DEFAULT_CHANNEL_NAME : channel;
  return pattern.endsWith(WILDCARD) ? name.startsWith(pattern.slice(0, -WILDCARD.length)) : name === pattern;
}
