import type { ClientError } from "./error.ts";

/** A position in a channel's log: the message number `offset` of the log incarnation `epoch`. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** The position of a published message. */
export interface Published extends Position {
  /** The server had stored the message before, for an earlier repetition of this publish. */
  readonly duplicate?: true;
}

/**
 * Unrecoverable messages: those with the offsets `from` to `to`, both included. Without `to`, the number of messages is
 * unknown.
 */
export interface Gap {
  readonly epoch: string;
  readonly from: number;
  readonly to?: number;
}

/** A message and its position. */
export interface Message<Value> extends Position {
  readonly value: Value;
  /** The user who published it: the subject of the publisher's token, if it has one. */
  readonly from?: string;
  readonly gap?: undefined;
}

/** A gap at its position between the messages. */
export interface Missed {
  readonly gap: Gap;
  readonly value?: undefined;
  readonly from?: undefined;
  readonly epoch?: undefined;
  readonly offset?: undefined;
}

/** An item of an iterator over a channel. */
export type Delivery<Value> = Message<Value> | Missed;

/** The state of a connection; `reconnecting` lasts until the next greeting of the server. */
export type ConnectionState = "connecting" | "open" | "reconnecting" | "closed";

/** What the server's greeting contains. */
export interface Opened {
  /** The interval of the server's pings in seconds. */
  readonly heartbeat: number;
  /** The subject of the token, if it has one. */
  readonly user?: string;
  /** Seconds until the token expires, if it does. */
  readonly expiresIn?: number;
}

/** The reason for the end of a WebSocket or a failed attempt. */
export interface Loss {
  /** The close code of RFC 6455, such as 1006. It is absent if the client itself ended the WebSocket. */
  readonly code?: number;
  /**
   * A text for people: the server's close reason, or the failure that the WebSocket reports. It may be empty, because
   * browsers report no failure.
   */
  readonly reason: string;
}

/** The next attempt starts in `delay` milliseconds, or earlier if the page or the network returns. */
export interface Reconnecting extends Loss {
  readonly delay: number;
  /** The number of consecutive failures; 0 if the client replaces a connection that did not fail. */
  readonly failures: number;
}

/** The connection has ended. `error` is present unless `close()` ended it. */
export interface Closed {
  readonly reason: string;
  readonly error?: ClientError;
}

/** The events of a connection and their details. */
export interface ConnectionEvents {
  /** The server has sent its greeting: at first, after each reconnect, and on the connection with a new token. */
  readonly open: Opened;
  /** The connection was lost, or an attempt has failed. */
  readonly reconnecting: Reconnecting;
  readonly closed: Closed;
  /** An error that ends neither the connection nor a publish, such as `renewal_failed`. */
  readonly error: ClientError;
}
