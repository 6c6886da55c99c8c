/** The interface of the designs that are compared. Each shares channels of ordered entries among several tasks. */
import type { Cluster } from "./cluster.ts";

/** Called with consecutive entries of a followed channel. The first one has the offset `first`. */
export type OnEntries = (channel: string, first: number, payloads: readonly string[]) => void;

/** One task's part of a design. Offsets start at 0. */
export interface Backplane {
  /** Rejects if the entry was not stored, or may not have been. */
  append(channel: string, payload: string): Promise<void>;
  /** Resolves when all entries that are appended later will be delivered. */
  follow(channels: readonly string[]): Promise<void>;
  unfollow(channels: readonly string[]): Promise<void>;
  /** Delivers the entries of the log that the followed channels have not received. */
  verify(): Promise<void>;
  /** Checks that the log has the newest known entry of each followed channel, and renews the expiry of its key. */
  refresh(): Promise<void>;
  close(): void;
}

export interface Design {
  /** Text for the legend. */
  readonly title: string;
  /** The commands that tasks send. The server counts those of scripts too. */
  readonly commands: readonly string[];
  /** Key of a channel's stream. */
  readonly keyOf: (channel: string) => string;
  open(task: BackplaneTask): Promise<Backplane>;
}

export interface BackplaneTask {
  readonly cluster: Cluster;
  readonly name: string;
  readonly onEntries: OnEntries;
  /** Discards every nth pushed message, as a proxy can. @default none */
  readonly dropEvery?: number;
}

/** Maximum number of entries that a stream retains. */
export const MAX_ENTRIES = 1000;

/** Maximum number of entries per read and channel. */
export const MAX_READ_ENTRIES = 1000;

/** Maximum number of channels per script or subscription command. Serverless caches allow 3,999 arguments. */
export const MAX_BATCH_CHANNELS = 500;

/** Maximum time that a read blocks, in milliseconds. */
export const BLOCK_MS = 5000;

/** Every entry has this epoch. The designs do not differ in how they create epochs. */
export const EPOCH = 1;

export function entryId(offset: number): string {
  return `${EPOCH}-${offset}`;
}

export function offsetOf(id: string): number {
  return Number(id.slice(id.indexOf("-") + 1));
}

/** Splits a list into batches. */
export function batches<Item>(items: readonly Item[], size: number): readonly (readonly Item[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}
