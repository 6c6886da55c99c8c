/** Many clients of a channel, wherever they run. */
import type { Position, Report } from "./ledger.ts";

export interface CrowdOptions {
  /** Of the channel. */
  readonly url: string;
  readonly readers: number;
  /** Those of the readers that publish, too. */
  readonly publishers: number;
  /** Unique among the crowds of a test; begins the id of each message. */
  readonly name: string;
}

/** How a crowd publishes. */
export interface Load {
  /** Of the whole crowd. */
  readonly messagesPerSecond: number;
  /** Added to each message. */
  readonly paddingBytes: number;
}

export interface Crowd {
  /** Publishes until `settle`. */
  publish(load: Load): Promise<void>;
  /** Publishes nothing more; resolves when everything is acknowledged. */
  settle(): Promise<void>;
  /** Resolves when every reader has come as far. */
  reach(end: Position): Promise<void>;
  report(): Promise<Report>;
}
