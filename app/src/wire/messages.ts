/**
 * The messages of PROTOCOL.md as types. `parsePlain.ts` and `parseChannels.ts` read what a client sends,
 * `encode.ts` writes what the server sends.
 * @see {@link ../../../PROTOCOL.md}
 */

/** The form of the messages on one connection. The client chooses it by a subprotocol. */
export type Dialect = "plain" | "channels";

/** Subprotocol of the `channels` dialect. */
export const CHANNELS_SUBPROTOCOL = "channels.v1";

/** Maximum length of a publish's id, in bytes of UTF-8. */
export const MAX_ID_BYTES = 128;

/** Maximum length of the epoch from which a client resumes, in bytes of UTF-8. */
export const MAX_EPOCH_BYTES = 128;

/** Maximum number of retained messages with which a subscription can start. */
export const MAX_LAST = 1000;

/** Maximum nesting of arrays and objects in a published value. */
export const MAX_DEPTH = 64;

/** The first message that a subscription requests: the next one, the one after a resume point, or up to `last` retained ones. */
export type RequestedStart =
  "end" | { readonly epoch: string; readonly offset: number } | { readonly last: number };

/** A message from a client of the `channels` dialect. The channel is that of the server, not its name on the wire. */
export type ChannelsMessage =
  | {
      readonly kind: "publish";
      readonly channel: string;
      /** The published value as canonical JSON: the output of `JSON.stringify`. */
      readonly json: string;
      readonly id?: string;
    }
  | { readonly kind: "subscribe"; readonly channel: string; readonly start: RequestedStart }
  | { readonly kind: "unsubscribe"; readonly channel: string };

export const ERROR_CODES = [
  ...["invalid_json", "invalid_message", "too_deep", "too_large", "unsafe_number"],
  ...["forbidden", "unavailable", "id_in_use", "invalid_channel", "already_subscribed"],
  ...["too_many_subscriptions", "too_many_channels", "rate_limited", "internal_error"],
] as const;

/** The codes of the server. An application adds others. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/** The label of all codes of an application in the metrics, because their number has no bound. */
const APPLICATION_LABEL = "application";

/** Returns the label of an error in the metrics. */
export function codeLabel({ code }: ErrorBody): string {
  return (ERROR_CODES as readonly string[]).includes(code) ? code : APPLICATION_LABEL;
}

/** Why a request was rejected. */
export interface ErrorBody {
  /** An {@link ErrorCode}, or a code of the application. */
  readonly code: string;
  /** For developers. The text can change in any release. */
  readonly message: string;
  /** Name of the channel of the request; only in the `channels` dialect, and only if the server could read it. */
  readonly channel?: string;
  /** Id of the publish that this error answers, if it has one. */
  readonly id?: string;
}

/** Messages that a client does not receive. Without `to`, their number is unknown. */
export interface Gap {
  readonly epoch: string;
  /** Offset of the first missing message. */
  readonly from: number;
  /** Offset of the last missing message. */
  readonly to?: number;
}

/**
 * A message from the server to one client. Published values are no part of it: see `encodeBroadcast`. Clients of `plain` receive
 * only the greeting without further keys, and errors.
 */
export type ServerMessage =
  | { readonly connection: "ok" }
  | {
      readonly connection: "ok";
      /** Interval of the server's heartbeats, in seconds. */
      readonly heartbeat: number;
      /** Subject of the client's token. */
      readonly user?: string;
      /** Seconds until the client's token expires. */
      readonly expiresIn?: number;
    }
  /** The client receives the channel's messages after this offset. */
  | { readonly subscribed: string; readonly epoch: string; readonly offset: number }
  | { readonly unsubscribed: string }
  | { readonly gap: { readonly channel: string } & Gap }
  | {
      /** Id of the publish. */
      readonly ack: string;
      readonly channel: string;
      readonly epoch: string;
      readonly offset: number;
      /** Whether the message had been stored before. */
      readonly duplicate?: true;
    }
  /** Interval of the server's heartbeats, in seconds. */
  | { readonly heartbeat: number }
  | { readonly error: ErrorBody };
