/**
 * The messages of PROTOCOL.md as types. `parse.ts` reads what a client sends, `encode.ts` writes what the server sends.
 * @see {@link ../../../PROTOCOL.md}
 */

/** The form of the messages on one connection. The client chooses it by a subprotocol. */
export type Dialect = "plain" | "resume" | "channels";

/** Subprotocol of the `resume` dialect. */
export const RESUME_SUBPROTOCOL = "resume.v1";

/** Maximum length of a publish's id, in bytes of UTF-8. */
export const MAX_ID_BYTES = 128;

/** Maximum nesting of arrays and objects in a published value. */
export const MAX_DEPTH = 64;

/** The meaning of one message from a client. */
export type ClientMessage =
  | {
      readonly kind: "publish";
      /** The published value as canonical JSON: the output of `JSON.stringify`. */
      readonly json: string;
      readonly id?: string;
    }
  | { readonly kind: "invalid"; readonly error: ErrorBody };

export type ErrorCode =
  | "invalid_json"
  | "invalid_message"
  | "too_deep"
  | "too_large"
  | "unsafe_number"
  | "forbidden"
  | "unavailable"
  | "id_in_use";

/** Why a message was not published. */
export interface ErrorBody {
  readonly code: ErrorCode;
  /** For developers. The text can change in any release. */
  readonly message: string;
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
  /** The client receives the channel's messages after this offset. */
  | { readonly subscribed: string; readonly epoch: string; readonly offset: number }
  | { readonly gap: Gap }
  | {
      /** Id of the publish. */
      readonly ack: string;
      readonly epoch: string;
      readonly offset: number;
      /** Whether the message had been stored before. */
      readonly duplicate?: true;
    }
  /** Interval of the server's heartbeats, in seconds. */
  | { readonly heartbeat: number }
  | { readonly error: ErrorBody };
