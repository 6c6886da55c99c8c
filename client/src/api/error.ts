/** The reason for a rejected publish, or for the end of a channel or a connection. */
export type ClientErrorCode =
  /** The connection or the channel was closed. A publish that was already sent may be stored. */
  | "closed"
  /** The pending publishes exceed `maxQueueMessages` or `maxQueueBytes`. This publish was not sent. */
  | "queue_full"
  /** The publish exceeds the server's message limit or `maxQueueBytes`. It was not stored. */
  | "too_large"
  /** The channel already stores another message with this id; this message was not stored. Ids are random, so this is not expected. */
  | "id_in_use"
  /** The token does not grant this channel, or not this direction. */
  | "forbidden"
  /** The name of the channel is malformed. */
  | "invalid_channel"
  /** The connection has the maximum number of subscriptions. */
  | "too_many_subscriptions"
  /** The user or the server has the maximum number of channels. */
  | "too_many_channels"
  /** The URL is malformed, or the page may not connect to it, such as `ws:` from an `https:` page. */
  | "invalid_url"
  /**
   * The server permanently refuses the connection because of its address, origin or token. Browsers do not report the status
   * of an upgrade: there, the client detects a wrong address (404) only, and retries after other refusals.
   */
  | "refused"
  /** The token is a string, and has expired. */
  | "token_expired"
  /** The connection with a new token failed. The client tries again, and the present connection stays open. */
  | "renewal_failed"
  /** The platform has no global WebSocket, and no `WebSocket` option was passed. */
  | "no_websocket"
  /** Another error code of the server, such as `unsafe_number`. */
  | (string & {});

/**
 * An error of the client or the server.
 * @example
 * try {
 *   await room.publish({ text: "Hello" });
 * } catch (error) {
 *   if (error instanceof ClientError && error.code === "queue_full") showBusy();
 *   else throw error;
 * }
 */
export class ClientError extends Error {
  override readonly name = "ClientError";
  readonly code: ClientErrorCode;

  constructor(code: ClientErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
