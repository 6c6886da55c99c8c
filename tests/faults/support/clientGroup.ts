/** A group of clients of one channel. */
import type { Position } from "../../../client/src/index.ts";
import type { Report } from "./deliveryRecord.ts";

export interface GroupOptions {
  /** URL of the channel. */
  readonly url: string;
  readonly readers: number;
  /** Number of the readers that also publish. */
  readonly publishers: number;
  /** Prefix of the message ids. It is unique among the groups of a test. */
  readonly name: string;
  /** Time in milliseconds after which a handshake or a missing acknowledgement fails. */
  readonly timeoutMs: number;
}

export interface Load {
  /** Rate of the whole group. */
  readonly messagesPerSecond: number;
  /** Bytes that each message carries in addition. */
  readonly paddingBytes: number;
}

export interface ClientGroup {
  readonly name: string;
  /** Publishes until `settle`. */
  publish(load: Load): Promise<void>;
  /** Stops publishing. Resolves when every message is acknowledged. */
  settle(): Promise<void>;
  /** Resolves when every reader has received the message at `end`. */
  reach(end: Position): Promise<void>;
  report(): Promise<Report>;
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
