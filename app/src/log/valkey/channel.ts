/** How a channel is stored: its keys, the ids of its entries, and what this process knows of it. */
import { StorageLease } from "./storage.ts";

/** Everything lies in one hash slot, so that one command reads all channels of a cluster too. */
const TAG = "{websocket}";

export const TASKS_KEY = `${TAG}:tasks`;

/** Sums of what the channels are charged. */
export const STORAGE_KEY = `${TAG}:storage`;

/** What one user fills, whose name is of one size. */
export function userStorageKey(name: string): string {
  return `${TAG}:user:${name}`;
}

/** A stream of one reader: an entry in it ends its wait. */
export function wakeKey(reader: string): string {
  return `${TAG}:wake:${reader}`;
}

export class ValkeyChannel {
  readonly name: string;
  readonly key: string;
  /** Names of entries that were given an id, by turns. */
  readonly idKeys: readonly [string, string];
  /** A hash: what is known of the stream besides its entries. */
  readonly recordKey: string;
  /** Of the present epoch. */
  lease = new StorageLease();
  #epoch: string | undefined;
  #open = false;
  #offset = 0;
  #entryName = "";
  /** Offset of the next entry to be given to readers; 0 if it is not read. */
  readTo = 0;
  /** When this process last used the channel, in milliseconds of `performance.now()`. */
  usedAt = 0;

  constructor(name: string) {
    this.name = name;
    this.key = `${TAG}:channel:${name}`;
    this.idKeys = [`${TAG}:ids:0:${name}`, `${TAG}:ids:1:${name}`];
    this.recordKey = `${TAG}:record:${name}`;
  }

  /** The present epoch, as far as this process knows. */
  get epoch(): string | undefined {
    return this.#epoch;
  }

  /** Whether nothing speaks against the epoch. Otherwise the server must be asked. */
  get open(): boolean {
    return this.#open;
  }

  /** The newest offset that this process knows to be stored; 0 where it knows none. */
  get offset(): number {
    return this.#offset;
  }

  /** Name of the entry at {@link offset}. */
  get entryName(): string {
    return this.#entryName;
  }

  /** The server has answered as it would not in this epoch. */
  suspect(epoch: string): void {
    if (epoch === this.#epoch) this.#open = false;
  }

  /** The server has said what the present epoch is. Of two answers that overtook each other the later epoch counts. */
  adopt(epoch: string): void {
    this.#open = true;
    if (this.#epoch !== undefined && Number(epoch) <= Number(this.#epoch)) return;
    this.#epoch = epoch;
    this.#offset = 0;
    this.#entryName = "";
    this.readTo = 0;
    this.lease = new StorageLease();
  }

  /** An entry is known to be stored. */
  note(epoch: string, offset: number, entryName: string): void {
    if (epoch !== this.#epoch || offset <= this.#offset) return;
    this.#offset = offset;
    this.#entryName = entryName;
  }
}

export function entryId(epoch: string, offset: number): string {
  return `${epoch}-${offset}`;
}

export function epochOf(id: string): string {
  return id.slice(0, id.indexOf("-"));
}

export function offsetOf(id: string): number {
  return Number(id.slice(id.indexOf("-") + 1));
}
