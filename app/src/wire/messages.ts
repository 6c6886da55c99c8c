/**
 * The messages of PROTOCOL.md as types. `parse.ts` reads what a client sends, `encode.ts` writes what the server sends.
 * @see {@link ../../../PROTOCOL.md}
 */

/** The form of the messages on one connection. The client chooses it by a subprotocol. */
export type Dialect = "plain" | "resume" | "channels";

/** Subprotocol of the `resume` dialect. */
export const RESUME_SUBPROTOCOL = "resume.v1";

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

/** A publish to the channel of the connection. */
export interface ValueMessage {
  readonly kind: "publish";
  /** The published value as canonical JSON: the output of `JSON.stringify`. */
  readonly json: string;
  readonly id?: string;
}

/** The first message that a subscription requests: the next one, the one after a resume point, or up to `last` retained ones. */
export type RequestedStart =
  "end" | { readonly epoch: string; readonly offset: number } | { readonly last: number };

/** A message from a client of the `channels` dialect. The channel is that of the server, not its name on the wire. */
export type ChannelsMessage =
  | (ValueMessage & { readonly channel: string })
  | { readonly kind: "subscribe"; readonly channel: string; readonly start: RequestedStart }
  | { readonly kind: "unsubscribe"; readonly channel: string };

export type ErrorCode =
  | "invalid_json"
  | "invalid_message"
  | "too_deep"
  | "too_large"
  | "unsafe_number"
  | "forbidden"
  | "unavailable"
  | "id_in_use"
  | "invalid_channel"
  | "already_subscribed"
  | "too_many_subscriptions"
  | "too_many_channels"
  | "rate_limited";

/** Why a request was rejected. */
export interface ErrorBody {
  readonly code: ErrorCode;
  /** For developers. The text can change in any release. */
  readonly message: string;
  /** Name of the channel of the request; only in the `channels` dialect, and only if the server could read it. */
  readonly channel?: string;
  /** Id of the publish that this error answers, if it has one. */
  readonly id?: string;
}

/** Messages that a client does not receive. Without `to`, their number is unknown. */
export interface Gap {
  /** Only in the `channels` dialect. */
  readonly channel?: string;
  readonly epoch: string;
  /** Offset of the first missing message. */
  readonly from: number;
  /** Offset of the last missing message. */
  readonly to?: number;
}

/**
 * A message from the server to one client. Published values are no part of it: see `encodeBroadcast`. Greetings and gaps go to
 * all clients of a channel when its log begins a new epoch.
 */
export type ServerMessage =
  | { readonly connection: "ok" }
  | {
      readonly connection: "ok";
      readonly epoch: string;
      /** Offset of the last message before the first one that the client receives. */
      readonly offset: number;
      /** Interval of the server's heartbeats, in seconds. */
      readonly heartbeat: number;
    }
  | {
      readonly connection: "ok";
      readonly heartbeat: number;
      /** Subject of the client's token. */
      readonly user?: string;
      /** Seconds until the client's token expires. */
      readonly expiresIn?: number;
    }
  /** The client receives the channel's messages after this offset. */
  | { readonly subscribed: string; readonly epoch: string; readonly offset: number }
  | { readonly unsubscribed: string }
  | { readonly gap: Gap }
  | {
      /** Id of the publish. */
      readonly ack: string;
      /** Only in the `channels` dialect. */
      readonly channel?: string;
      readonly epoch: string;
      readonly offset: number;
      /** Whether the message had been stored before. */
      readonly duplicate?: true;
    }
  /** Interval of the server's heartbeats, in seconds. */
  | { readonly heartbeat: number }
  | { readonly error: ErrorBody };
