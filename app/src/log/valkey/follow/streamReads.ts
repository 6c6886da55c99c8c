import { setImmediate as nextTurn } from "node:timers/promises";

import type { ValkeyNodes } from "../connection/valkeyNodes.ts";
import type { MeasuredEntry } from "../publishedMessage.ts";
import { entryId, parseOffset } from "../valkeyChannel.ts";
import type { ValkeyChannel } from "../valkeyChannel.ts";
import type { Deliveries } from "./deliveries.ts";
import { maxDeliveryBytes } from "./deliveries.ts";
import type { FollowedChannel } from "./followedChannel.ts";
import { isCurrent } from "./placements.ts";

/**
 * Number of entries of the first command for a page: the maximum, and the number while nothing is known about the size of the
 * entries. Large entries would be read in vain.
 */
const MAX_FIRST_ENTRIES = 32;
const UNKNOWN_FIRST_ENTRIES = 4;

/** A page is not filled up with another entry that is at least so large on average: it would probably not fit. */
const LARGE_ENTRY_BYTES = 1024;

/** Maximum number of entries of the next commands. */
const MAX_ENTRIES = 1000;

/** An entry of a stream as Valkey replies it. The name identifies what must be stored only once. */
export type StreamEntry = readonly [id: string, fields: readonly [name: string, record: string]];

/** Entries of a stream from a position on. */
export interface StreamPage {
  /** Consecutive, and empty if the stream has no entry at the position. */
  readonly entries: readonly MeasuredEntry[];
  /** Name of the last entry. */
  readonly name: string;
  readonly bytes: number;
  /** Offset of an entry that follows after missing ones; 0 if there is none. */
  readonly continuesAt: number;
}

/**
 * Reads at least one entry, if there is one, and about `maxBytes`: the size of the entries is known only afterwards.
 * @returns an error if the server does not reply, or refuses.
 */
export async function readStream(
  nodes: ValkeyNodes,
  channel: ValkeyChannel,
  position: { readonly epoch: number; readonly next: number },
  maxBytes: number,
): Promise<StreamPage | Error> {
  const entries: MeasuredEntry[] = [];
  const { partition, key, entryBytes } = channel;
  let [name, bytes] = ["", 0];
  let count =
    entryBytes === 0
      ? UNKNOWN_FIRST_ENTRIES
      : Math.max(1, Math.min(MAX_FIRST_ENTRIES, Math.floor(maxBytes / entryBytes)));
  for (;;) {
    const node = nodes.available(partition);
    if (node === undefined) return new Error("Valkey is away.");
    const from = entryId(position.epoch, position.next + entries.length);
    const [outcome] = await node.send([["xrange", key, from, "+", "COUNT", count]]);
    if (outcome?.kind !== "answered") return outcome?.error ?? new Error("Valkey has not answered.");
    // The reply of XRANGE.
    const stored = outcome.reply as readonly StreamEntry[];
    for (const [id, [entryName, record]] of stored) {
      const offset = position.next + entries.length;
      if (id !== entryId(position.epoch, offset)) {
        return { entries, name, bytes, continuesAt: parseOffset(id) };
      }
      const entry = { offset, record, bytes: Buffer.byteLength(record) };
      name = entryName;
      bytes += entry.bytes;
      entries.push(entry);
    }
    if (entries.length > 0) channel.entryBytes = Math.max(1, Math.round(bytes / entries.length));
    const hasLarge = channel.entryBytes >= LARGE_ENTRY_BYTES;
    const isFull = bytes + (hasLarge ? channel.entryBytes : 0) >= maxBytes;
    if (stored.length < count || isFull) return { entries, name, bytes, continuesAt: 0 };
    count = Math.max(1, Math.min(MAX_ENTRIES, Math.floor((maxBytes - bytes) / channel.entryBytes)));
  }
}

export interface StreamReadsParts {
  readonly nodes: ValkeyNodes;
  readonly deliveries: Deliveries;
  /** Called if the stream lacks the next entry of a channel. */
  readonly onMissing: (followed: FollowedChannel, continuesAt: number) => void;
  /** Called if the server has refused to read a channel. */
  readonly onRefused: (followed: FollowedChannel, error: Error) => void;
  /** Called when a channel has no further known entry. */
  readonly onCaughtUp: (followed: FollowedChannel) => void;
}

/** Reads the entries that followed channels lack, at the pace at which they are delivered. */
export class StreamReads {
  readonly #parts: StreamReadsParts;
  #isClosed = false;

  constructor(parts: StreamReadsParts) {
    this.#parts = parts;
  }

  /** Reads until the known end of a channel. */
  catchUp(followed: FollowedChannel): void {
    if (followed.isBehind && !this.#isClosed) void this.#read(followed);
  }

  close(): void {
    this.#isClosed = true;
  }

  async #read(followed: FollowedChannel): Promise<void> {
    const { nodes, onMissing, onRefused, onCaughtUp } = this.#parts;
    const { channel } = followed;
    followed.isReading = true;
    while (this.#mustRead(followed)) {
      const { next } = followed;
      const { epoch } = channel;
      const limiter = nodes.of(channel.partition)?.reads;
      const page = await limiter?.run(() =>
        readStream(nodes, channel, { epoch, next }, maxDeliveryBytes(followed)),
      );
      // The channel was placed again meanwhile, or this task no longer reads it.
      if (!isPlacedIn(followed, epoch)) continue;
      if (page === undefined || page instanceof Error) {
        followed.isReading = false;
        // It is verified when the server is back.
        if (page !== undefined && nodes.available(channel.partition) !== undefined) onRefused(followed, page);
        return;
      }
      if (page.entries.length > 0) {
        channel.noteStored(epoch, next + page.entries.length - 1, page.name);
        await this.#deliver(followed, page.entries, epoch);
      }
      if (this.#mustRead(followed) && (page.continuesAt > 0 || page.entries.length === 0)) {
        followed.isReading = false;
        onMissing(followed, page.continuesAt);
        return;
      }
    }
    followed.isReading = false;
    onCaughtUp(followed);
  }

  #mustRead(followed: FollowedChannel): boolean {
    return followed.isPlaced && followed.isShort && !this.#isClosed && isCurrent(followed);
  }

  /** Delivers in pieces, one per turn of the event loop. At the end of a turn, readers pass on what they received. */
  async #deliver(followed: FollowedChannel, entries: readonly MeasuredEntry[], epoch: number): Promise<void> {
    for (let start = 0; start < entries.length;) {
      const continues = isPlacedIn(followed, epoch) && followed.next === entries[start]?.offset;
      if (!continues || this.#isClosed) return;
      start += this.#parts.deliveries.offer(followed, entries, start);
      await nextTurn();
    }
  }
}

/** Whether the channel is still followed in an epoch. */
function isPlacedIn(followed: FollowedChannel, epoch: number): boolean {
  return isCurrent(followed) && followed.isPlaced && followed.channel.epoch === epoch;
}
