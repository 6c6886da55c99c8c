import type { ChannelError } from "./error.ts";

/** A position in a channel's log: the message number `offset` of the log incarnation `epoch`. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
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
export interface Delivered<Message> extends Position {
  readonly message: Message;
  readonly gap?: undefined;
}

/** A gap at its position between the messages. */
export interface Missed {
  readonly gap: Gap;
  readonly message?: undefined;
  readonly epoch?: undefined;
  readonly offset?: undefined;
}

/** An item of an iterator over a channel. */
export type Delivery<Message> = Delivered<Message> | Missed;

/** The reason for the end of a connection or a failed attempt. */
export interface Loss {
  /** The close code of RFC 6455, such as 1006. It is absent if the client itself ended the connection. */
  readonly code?: number;
  /**
   * A text for people: the server's close reason, or the failure that the WebSocket reports. It may be empty, because
   * browsers report no failure.
   */
  readonly reason: string;
}

/** The state of a channel's connection. */
export type State =
  /** The client connects. `failures` counts the failed attempts directly before this one. */
  | { readonly name: "connecting"; readonly failures: number }
  /** The server has sent its greeting. `heartbeat` is its ping interval in seconds. */
  | ({ readonly name: "open"; readonly heartbeat: number } & Position)
  /** The next attempt starts in `delay` milliseconds, or earlier if the page or the network returns. */
  | ({ readonly name: "waiting"; readonly delay: number } & Loss)
  /** The channel has ended. `error` is present unless `close()` ended it. */
  | { readonly name: "closed"; readonly error?: ChannelError };

/** The events of a channel and their details. */
export interface ChannelEvents<Message> {
  readonly message: Delivered<Message>;
  readonly gap: Gap;
  readonly state: State;
}
