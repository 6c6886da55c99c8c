/** A group of clients with the same channels. */
import { setTimeout as delay } from "node:timers/promises";

import type { Position, Report } from "./deliveryRecord.ts";

/** The default channel of the server. */
export const DEFAULT_CHANNEL = "/";

/** Interval at which a group checks whether it has reached what it waits for. */
const POLL_MS = 20;

export interface GroupOptions {
  /** URL of the server. */
  readonly url: string;
  readonly clients: number;
  /** Number of the clients that also publish. */
  readonly publishers: number;
  /** Every client subscribes to the first one. @default the default channel */
  readonly channels?: readonly string[];
  /** The clients have 1, 2, 3 and so on up to so many subscriptions, in turn. @default 1 */
  readonly maxSubscriptions?: number;
  /** Prefix of the message ids. It is unique among the groups of a test. */
  readonly name: string;
  /** Time in milliseconds after which a handshake or a missing acknowledgement fails. */
  readonly timeoutMs: number;
}

export interface Load {
  /** Rate of the whole group in the first channel. */
  readonly messagesPerSecond: number;
  /** Rate of the whole group in the other channels together, which have their turns. @default 0 */
  readonly othersPerSecond?: number;
  /** Subscriptions of all clients together that end and begin again per second. @default 0 */
  readonly renewalsPerSecond?: number;
  /** Bytes that each message carries in addition. */
  readonly paddingBytes: number;
}

/** The last message of each channel that has one. */
export type Ends = Readonly<Record<string, Position>>;

export interface ClientGroup {
  readonly name: string;
  readonly channels: readonly string[];
  /** Publishes until `settle`. */
  publish(load: Load): Promise<void>;
  /**
   * Stops publishing, and waits until every message is acknowledged.
   * @returns after the timeout, a description of each message that is not; otherwise nothing
   */
  settle(timeoutMs: number): Promise<readonly string[]>;
  /**
   * Waits until every subscriber of these channels has received their last messages.
   * @returns after the timeout, a description of each subscription that has not; otherwise nothing
   */
  reach(ends: Ends, timeoutMs: number): Promise<readonly string[]>;
  report(): Promise<Report>;
}

/** Returns the channels of a client: the first one, and the next ones of the others, so that all have equally many clients. */
export function channelsOf(
  client: number,
  channels: readonly string[],
  maxSubscriptions: number,
): readonly string[] {
  const [first = DEFAULT_CHANNEL, ...others] = channels;
  const count = client % maxSubscriptions;
  // The sum of 0 to maxSubscriptions - 1 for each complete turn, and of 0 to count - 1.
  const turns = Math.floor(client / maxSubscriptions);
  const before = (turns * maxSubscriptions * (maxSubscriptions - 1) + count * (count - 1)) / 2;
  return [first, ...Array.from({ length: count }, (_, n) => others[(before + n) % others.length] ?? first)];
}

/** Checks at an interval, until nothing is missing or the timeout is over. Returns what is missing. */
export async function poll(missing: () => readonly string[], timeoutMs: number): Promise<readonly string[]> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const left = missing();
    if (left.length === 0 || performance.now() > deadline) return left;
    await delay(POLL_MS);
  }
}

/** Calls `act` with the number of calls before it, at a rate. Calls that are due within one interval run together. */
export function atRate(perSecond: number, intervalMs: number, act: (count: number) => void): NodeJS.Timeout {
  const startedAt = performance.now();
  let count = 0;
  return setInterval(() => {
    const due = ((performance.now() - startedAt) / 1000) * perSecond;
    for (; count < due; count++) act(count);
  }, intervalMs);
}
