/** The reason for a rejected publish or the end of a channel. */
export type ChannelErrorCode =
  /** The channel was closed before the acknowledgement arrived. A publish that was already sent may be stored. */
  | "closed"
  /** The pending publishes exceed `maxQueueMessages` or `maxQueueBytes`. This publish was not sent. */
  | "queue_full"
  /** The publish exceeds the server's message limit or `maxQueueBytes`. It was not stored. */
  | "too_large"
  /** The channel already stores another message with this id; this message was not stored. Ids are random, so this is not expected. */
  | "id_in_use"
  /** The URL is malformed, or the page may not connect to it, such as `ws:` from an `https:` page. */
  | "invalid_url"
  /**
   * The server permanently refuses the connection because of its address, origin or token. Browsers do not report the status
   * of an upgrade: there, the client detects a wrong address (404) only, and retries after other refusals.
   */
  | "refused"
  /** The platform has no global WebSocket, and no `WebSocket` option was passed. */
  | "no_websocket"
  /** An error code of the server, such as `invalid_message`. */
  | (string & {});

/**
 * The error of a rejected publish, a closed channel or an invalid call of `connect`.
 * @example
 * try {
 *   await channel.publish({ text: "Hello" });
 * } catch (error) {
 *   if (error instanceof ChannelError && error.code === "queue_full") showBusy();
 *   else throw error;
 * }
 */
export class ChannelError extends Error {
  override readonly name = "ChannelError";
  readonly code: ChannelErrorCode;

  constructor(code: ChannelErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
