/** The limits and times of a client; each is an option of `connect`. All are at least 1. */
export interface Limits {
  /**
   * Milliseconds. The wait after the n-th consecutive failure is random between 0 and
   * `min(backoffCapMs, backoffBaseMs * 2 ** (n - 1))`: full jitter. After a close code that asks for a later attempt (1008
   * without a `token` function, 1011, 1013 and others), the wait is at least `backoffBaseMs`, and n is at least 4. A subscribe
   * that the server rejected with `rate_limited` or `unavailable` is repeated after such a wait, too.
   * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
   * @default 1000
   */
  readonly backoffBaseMs: number;
  /** Maximum wait between two attempts, in milliseconds. @default 30000 */
  readonly backoffCapMs: number;
  /**
   * Milliseconds from the start of an attempt, including `token()`, to the server's greeting. The server answers an upgrade
   * within 8 seconds; with a lower value, the client may not receive the reason for a refusal.
   * @default 10000
   */
  readonly connectTimeoutMs: number;
  /**
   * Milliseconds without an answer to any publish or subscribe, after which the client replaces the connection. The server's
   * WEBSOCKET_PUBLISH_TIMEOUT_SECONDS must be lower.
   * @default 15000
   */
  readonly answerTimeoutMs: number;
  /** Maximum milliseconds for which `close()` waits for acknowledgements. @default 5000 */
  readonly closeTimeoutMs: number;
  /**
   * Maximum number of publishes that are sent and not yet acknowledged. With 1, the order of the calls is always the order
   * in the channel. With more, publishes can overtake one that the server rejected with `unavailable`.
   * @default 64
   */
  readonly maxInFlight: number;
  /** Sustained publishes per second. The server's WEBSOCKET_MESSAGES_PER_SECOND must not be lower. @default 90 */
  readonly publishesPerSecond: number;
  /** Publishes in one burst. The server's WEBSOCKET_MESSAGE_BURST must be higher. @default 100 */
  readonly publishBurst: number;
  /**
   * Sustained bytes of publishes per second. The server's WEBSOCKET_BYTES_PER_SECOND must not be lower.
   * @default 943718
   */
  readonly publishBytesPerSecond: number;
  /**
   * Subscribes and unsubscribes in one burst, and in each 30 seconds after it. The server's
   * WEBSOCKET_SUBSCRIPTIONS_PER_CONNECTION must not be lower.
   * @default 256
   */
  readonly subscribeBurst: number;
  /** Maximum number of pending publishes of all channels, sent or not. Beyond it, `publish` rejects. @default 1000 */
  readonly maxQueueMessages: number;
  /** Maximum bytes of pending publishes. A single larger publish is rejected with `too_large`. @default 1048576 */
  readonly maxQueueBytes: number;
  /** Maximum messages that an iterator buffers. Further messages become a gap. @default 10000 */
  readonly maxBufferMessages: number;
  /** Maximum characters of JSON that an iterator buffers. Further messages become a gap. @default 4194304 */
  readonly maxBufferCharacters: number;
}

/**
 * The default of each limit.
 * @example
 * connect(url, { maxQueueMessages: 2 * DEFAULT_LIMITS.maxQueueMessages });
 */
export const DEFAULT_LIMITS: Limits = {
  backoffBaseMs: 1000,
  backoffCapMs: 30_000,
  connectTimeoutMs: 10_000,
  answerTimeoutMs: 15_000,
  closeTimeoutMs: 5000,
  maxInFlight: 64,
  publishesPerSecond: 90,
  publishBurst: 100,
  publishBytesPerSecond: 943_718,
  subscribeBurst: 256,
  maxQueueMessages: 1000,
  maxQueueBytes: 1024 * 1024,
  maxBufferMessages: 10_000,
  maxBufferCharacters: 4 * 1024 * 1024,
};

/** @throws {RangeError} if a limit is not a number of at least 1; Infinity is allowed. */
export function readLimits(options: Partial<Limits>): Limits {
  const limits = { ...DEFAULT_LIMITS };
  for (const name of Object.keys(limits) as (keyof Limits)[]) {
    const value = options[name] ?? limits[name];
    // NaN fails this comparison, too.
    if (!(value >= 1)) throw new RangeError(`\`${name}\`: got ${value}; expected a number of at least 1.`);
    limits[name] = value;
  }
  return limits;
}
