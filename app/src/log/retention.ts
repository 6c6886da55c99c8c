/** The retention of each channel. */
import { matchesChannel } from "../settings/channelPattern.ts";
import type { Settings } from "../settings/settings.ts";
import type { Retention, RetentionOf } from "./log.ts";

export type RetentionSettings = Pick<
  Settings,
  "retainedMessages" | "retainedBytes" | "retainedSeconds" | "retention"
>;

/**
 * Creates the function that returns the retention of a channel: that of the first rule that includes the channel, or else that
 * of all channels. It creates no object for a channel, and compares at most as many names as there are rules.
 */
export function createRetention(settings: RetentionSettings): RetentionOf {
  const { retainedMessages, retainedBytes, retainedSeconds } = settings;
  const others: Retention = { retainedMessages, retainedBytes, retainedSeconds };
  const rules = settings.retention.map(({ channels, messages, bytes, seconds }) => ({
    channels,
    retention: {
      retainedMessages: messages ?? retainedMessages,
      retainedBytes: bytes ?? retainedBytes,
      retainedSeconds: seconds ?? retainedSeconds,
    },
  }));
  return (channel) => {
    for (const { channels, retention } of rules) if (matchesChannel(channels, channel)) return retention;
    return others;
  };
}
