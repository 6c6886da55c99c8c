/** The answers to requests of one channel. */
import type { ReaderLimit } from "../../auth/users.ts";
import type { Joined } from "../../channel/cursor.ts";
import { TooManyChannelsError } from "../../channel/hub.ts";
import { toWireName } from "../../wire/channelName.ts";
import type { ErrorBody, ServerMessage } from "../../wire/messages.ts";
import { isError } from "../publishes.ts";
import type { Publish, PublishResult } from "../publishes.ts";

export const MAY_NOT_SUBSCRIBE: ErrorBody = {
  code: "forbidden",
  message: "The token does not allow reading this channel.",
};
export const MAY_NOT_PUBLISH: ErrorBody = {
  code: "forbidden",
  message: "The token does not allow publishing to this channel.",
};
export const ALREADY_SUBSCRIBED: ErrorBody = {
  code: "already_subscribed",
  message: "The connection has a subscription to this channel.",
};
export const TOO_MANY_SUBSCRIPTIONS: ErrorBody = {
  code: "too_many_subscriptions",
  message: "The connection has the maximum number of subscriptions (subscriptionsPerConnection).",
};
export const USER_LIMITS: Readonly<Record<ReaderLimit, ErrorBody>> = {
  channels: {
    code: "too_many_channels",
    message: "The user has the maximum number of channels (channelsPerUser).",
  },
  entries: {
    code: "rate_limited",
    message: "The user subscribes to other channels too often (channelsPerUser); subscribe again later.",
  },
  readers: { code: "too_many_channels", message: "One user has too many subscriptions." },
};
export const TOO_MANY_CHANNELS_OF_TASK: ErrorBody = {
  code: "too_many_channels",
  message: "The server has the maximum number of channels or subscriptions; subscribe again later.",
};
export const RATE_LIMITED: ErrorBody = {
  code: "rate_limited",
  message: "The client subscribes and unsubscribes too often; send the message again later.",
};
export const CHANNEL_UNAVAILABLE: ErrorBody = {
  code: "unavailable",
  message: "The server cannot read the channel now; subscribe again later.",
};

/** Returns the first message of a connection. @param expiresAt when its token expires, in milliseconds since 1970. */
export function greeting(
  heartbeat: number,
  user: string | undefined,
  expiresAt: number | undefined,
): ServerMessage {
  return {
    connection: "ok",
    heartbeat,
    ...(user !== undefined && { user }),
    ...(expiresAt !== undefined && {
      expiresIn: Math.max(0, Math.floor((expiresAt - Date.now()) / 1000)),
    }),
  };
}

/** Returns why a channel could not be joined. */
export function joinFailure(error: unknown): ErrorBody {
  return error instanceof TooManyChannelsError ? TOO_MANY_CHANNELS_OF_TASK : CHANNEL_UNAVAILABLE;
}

/** Adds the channel, and the id if there is one. @param channel its name on the wire. */
export function errorIn(channel: string, { code, message }: ErrorBody, id?: string): ErrorBody {
  return id === undefined ? { code, message, channel } : { code, message, channel, id };
}

/** Returns the answers to a subscribe that has joined its channel. */
export function answersToJoin(name: string, { epoch, offset, gap }: Joined): readonly ServerMessage[] {
  const channel = toWireName(name);
  const subscribed = { subscribed: channel, epoch, offset };
  return gap === undefined ? [subscribed] : [subscribed, { gap: { channel, ...gap } }];
}

/** Returns the answers to a publish: one, or none if a publish without an id is stored. */
export function answersTo(publish: Publish, result: PublishResult): readonly ServerMessage[] {
  const { id } = publish;
  const channel = toWireName(publish.channel);
  if (isError(result)) return [{ error: errorIn(channel, result, id) }];
  if (id === undefined) return [];
  const { epoch, offset, duplicate } = result;
  const ack = { ack: id, channel, epoch, offset };
  return [duplicate ? { ...ack, duplicate } : ack];
}
