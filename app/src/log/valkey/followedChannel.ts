import type { LogEntry, LogReader } from "../log.ts";
import { entryId, parseEpoch, parseOffset } from "./valkeyChannel.ts";
import type { ValkeyChannel } from "./valkeyChannel.ts";
import type { OpenedChannel } from "./valkeyChannels.ts";

/** Approximate bytes that a reader adds to each record when it passes the entry on. */
const ENTRY_OVERHEAD_BYTES = 48;

/** An entry of a stream as Valkey replies it. The name identifies what must be stored only once. */
export type StreamEntry = readonly [id: string, fields: readonly [name: string, record: string]];

/** An entry with the bytes of its record in UTF-8. */
export interface MeasuredEntry extends LogEntry {
  readonly bytes: number;
}

interface Subscription {
  readonly reader: LogReader;
  /** Whether the server was asked for the channel's position since the subscription began. */
  isAsked: boolean;
  /** Position of the next entry for the reader. The epoch is `undefined` before its first call. */
  epoch: string | undefined;
  next: number;
}

/** A channel that is read, and its subscriptions. It is read once, from the position of the slowest subscription. */
export class FollowedChannel {
  readonly channel: ValkeyChannel;
  readonly #subscriptions = new Set<Subscription>();
  #isPlaced = false;
  #epoch = "";
  #next = 0;
  /** Offset at which the entries continue after a hole in the stream; 0 without one. */
  #skipTo = 0;
  /** Offset at which the channel ended when it was placed. The entries before it can be read without waiting. */
  #end = 0;
  #untrimmedBytes = 0;

  constructor(channel: ValkeyChannel) {
    this.channel = channel;
  }

  /** Whether every subscription has a position in the current epoch. Only then can the channel be read. */
  get isPlaced(): boolean {
    return this.#isPlaced;
  }

  get epoch(): string {
    return this.#epoch;
  }

  /** Whether there are entries that can be read without waiting. */
  get isBehind(): boolean {
    return this.#next < this.#end;
  }

  get hasSubscriptions(): boolean {
    return this.#subscriptions.size > 0;
  }

  /** Id of the last entry that was read, as XREAD expects it. */
  get lastId(): string {
    return entryId(this.#epoch, this.#next - 1);
  }

  /** Record bytes that were delivered since the last call of {@link noteTrimmed}. */
  get untrimmedBytes(): number {
    return this.#untrimmedBytes;
  }

  /** The channel must be placed before the reader receives anything. @returns its undo. */
  subscribe(reader: LogReader): () => void {
    const subscription: Subscription = { reader, isAsked: false, epoch: undefined, next: 0 };
    this.#subscriptions.add(subscription);
    return () => this.#subscriptions.delete(subscription);
  }

  unsubscribeAll(): void {
    this.#subscriptions.clear();
  }

  /** Takes the position away: the server must be asked for the channel again. */
  displace(): void {
    this.#isPlaced = false;
  }

  /** Marks the channel as placed before the server is asked. A subscription that begins later displaces it again. */
  beginPlacing(): void {
    this.#isPlaced = true;
    for (const subscription of this.#subscriptions) subscription.isAsked = true;
  }

  /** Gives every subscription a position, and notifies the readers whose entries do not continue at the next offset. */
  placeAt({ epoch, first, end }: OpenedChannel): void {
    const from = this.#epoch === epoch ? Math.max(first, this.#skipTo) : first;
    this.#epoch = epoch;
    this.#skipTo = 0;
    this.#next = end;
    this.#end = end;
    for (const subscription of this.#subscriptions) {
      // It began meanwhile. The channel can have a later end for it.
      if (!subscription.isAsked) continue;
      if (subscription.epoch !== epoch || subscription.next < from) {
        const next = subscription.epoch === undefined ? end : from;
        subscription.epoch = epoch;
        subscription.next = next;
        subscription.reader.started({ epoch, next });
      }
      this.#next = Math.min(this.#next, subscription.next);
    }
  }

  /**
   * Takes entries of a reply.
   * @returns those before a hole or another epoch, at which the channel is displaced; none if it is displaced already.
   */
  take(stored: readonly StreamEntry[]): MeasuredEntry[] {
    if (!this.#isPlaced) return [];
    const epoch = this.#epoch;
    const last = stored.at(-1);
    const entries: MeasuredEntry[] = [];
    // Ids increase, so none is missing if the last one has the expected offset.
    const isComplete = last?.[0] === entryId(epoch, this.#next + stored.length - 1);
    for (const [id, [, record]] of stored) {
      if (!isComplete && id !== entryId(epoch, this.#next)) {
        if (parseEpoch(id) === epoch) this.#skipTo = parseOffset(id);
        this.displace();
        return entries;
      }
      entries.push({ offset: this.#next, record, bytes: Buffer.byteLength(record) });
      this.#next += 1;
    }
    if (last !== undefined) this.channel.noteStored(epoch, this.#next - 1, last[1][0]);
    return entries;
  }

  /** Passes entries to each subscription that has not received them. */
  deliver(entries: readonly MeasuredEntry[]): void {
    const [first] = entries;
    if (first === undefined) return;
    for (const subscription of this.#subscriptions) {
      if (subscription.epoch !== this.#epoch) continue;
      const unread = entries.slice(Math.max(0, subscription.next - first.offset));
      if (unread.length === 0) continue;
      subscription.next += unread.length;
      subscription.reader.entries(unread);
    }
    this.channel.readTo = first.offset + entries.length;
    for (const { bytes } of entries) this.#untrimmedBytes += bytes;
  }

  noteTrimmed(): void {
    this.#untrimmedBytes = 0;
  }
}

/** Returns the bytes that an entry has when a reader passes it on. */
export function deliveredBytes({ bytes }: MeasuredEntry): number {
  return bytes + ENTRY_OVERHEAD_BYTES;
}

/** Returns how many of the first entries fit into `maxBytes` when a reader passes them on; at least 1. */
export function countWithin(entries: readonly MeasuredEntry[], maxBytes: number): number {
  let bytes = 0;
  const beyond = entries.findIndex((entry) => (bytes += deliveredBytes(entry)) > maxBytes);
  return beyond < 0 ? entries.length : Math.max(1, beyond);
}
