/** The ids of entries, and the state of a channel in this task. */
import type { Retention } from "../log.ts";
import { StorageLease } from "./append/storageLease.ts";
import { idKeys, recordKey, streamKey } from "./connection/partitions.ts";
import type { FollowedChannel } from "./follow/followedChannel.ts";

/** Time for which Valkey keeps a channel that no task renews, in addition to the retention time, in milliseconds. */
export const EXPIRY_MARGIN_MS = 300_000;

/**
 * A channel that this task uses. Tasks have tens of thousands of them, so it has no key, no closure and no timer, and numbers
 * instead of texts.
 */
export class ValkeyChannel {
  readonly name: string;
  readonly partition: number;
  readonly retention: Retention;
  /** Its readers and their position, if this task reads it. */
  followed: FollowedChannel | undefined;
  /** The newest known epoch; 0 if none is known. */
  epoch = 0;
  /** The newest offset that the server is known to have stored; 0 if there is none. */
  offset = 0;
  /** Name of the entry at {@link offset}. */
  entryName = "";
  /** Mean size of the records that this task has last read from the stream, in bytes; 0 if it has read none. */
  entryBytes = 0;
  /** When this task last used the channel, in whole seconds of `performance.now()`. */
  usedAtSeconds = 0;
  #lease: StorageLease | undefined;
  #isOpen = false;

  constructor(name: string, partition: number, retention: Retention) {
    this.name = name;
    this.partition = partition;
    this.retention = retention;
  }

  /** Key of the stream, which is also the name of the pub/sub channel. */
  get key(): string {
    return streamKey(this.partition, this.name);
  }

  /** Key of a hash with the epoch, the charge and the leases. */
  get recordKey(): string {
    return recordKey(this.partition, this.name);
  }

  /** Keys of two hashes that store the ids of publishes in turn. */
  get idKeys(): readonly [string, string] {
    return idKeys(this.partition, this.name);
  }

  /** Time after which the server drops the channel if no task renews it, in milliseconds. */
  get expiryMs(): number {
    return Math.ceil(this.retention.retainedSeconds * 1000) + EXPIRY_MARGIN_MS;
  }

  /** The bytes that this task can append in the current epoch. */
  get lease(): StorageLease {
    this.#lease ??= new StorageLease();
    return this.#lease;
  }

  /** Whether the server has confirmed the epoch for appends, and nothing since then contradicts it. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Marks an epoch as doubtful after an unexpected reply. The channel must be opened again. */
  suspect(epoch: number): void {
    if (epoch === this.epoch) this.#isOpen = false;
  }

  /** Ends the lease: the server has none. */
  dropLease(): void {
    this.#lease = undefined;
  }

  /** Notes that the server has opened the channel in an epoch. */
  noteOpened(epoch: number): void {
    this.adopt(epoch);
    if (epoch === this.epoch) this.#isOpen = true;
  }

  /** Takes over a newer epoch. Replies on two connections can overtake each other, so an older epoch is ignored. */
  adopt(epoch: number): void {
    if (epoch <= this.epoch) return;
    this.epoch = epoch;
    this.offset = 0;
    this.entryName = "";
    this.#lease = undefined;
    this.#isOpen = false;
    this.followed?.noteEpoch();
  }

  /** Notes that the server has stored an entry. */
  noteStored(epoch: number, offset: number, entryName: string): void {
    if (epoch !== this.epoch || offset <= this.offset) return;
    this.offset = offset;
    this.entryName = entryName;
  }
}

/** Returns the id of an entry in its stream. */
export function entryId(epoch: number, offset: number): string {
  return `${epoch}-${offset}`;
}

/** Returns the epoch of an entry's id. */
export function parseEpoch(id: string): number {
  return Number(id.slice(0, id.indexOf("-")));
}

/** Returns the offset of an entry's id. */
export function parseOffset(id: string): number {
  return Number(id.slice(id.indexOf("-") + 1));
}
