/** The keys of the log in Valkey, the ids of entries, and the state of one channel in this task. */
import { StorageLease } from "./storageLease.ts";

/** All keys are in one hash slot, so that one command can read all channels of a cluster. */
const TAG = "{websocket}";

/** Reports of the tasks: see `reportScript`. */
export const TASKS_KEY = `${TAG}:tasks`;

/** Sums of the channels' charges: see `storageScript.ts`. */
export const STORAGE_KEY = `${TAG}:storage`;

/** Returns the key of the sums of one user's charges. @param name a name of fixed length: see `idName`. */
export function userStorageKey(name: string): string {
  return `${TAG}:user:${name}`;
}

/** Returns the key of a stream that ends the blocking read of one reader. */
export function wakeKey(reader: string): string {
  return `${TAG}:wake:${reader}`;
}

/** A channel's keys, and the last state of its stream that this task has read. */
export class ValkeyChannel {
  readonly name: string;
  /** Key of the stream. */
  readonly key: string;
  /** Keys of two hashes that store the ids of publishes in turn. */
  readonly idKeys: readonly [string, string];
  /** Key of a hash with the epoch, the charge and the leases. */
  readonly recordKey: string;
  /** Valid in the current epoch. */
  lease = new StorageLease();
  #epoch: string | undefined;
  #isOpen = false;
  #offset = 0;
  #entryName = "";
  /** Offset of the next entry that readers receive; 0 if the channel is not read. */
  readTo = 0;
  /** When this task last used the channel, in milliseconds of `performance.now()`. */
  usedAt = 0;

  constructor(name: string) {
    this.name = name;
    this.key = `${TAG}:channel:${name}`;
    this.idKeys = [`${TAG}:ids:0:${name}`, `${TAG}:ids:1:${name}`];
    this.recordKey = `${TAG}:record:${name}`;
  }

  /** The newest known epoch, if any. */
  get epoch(): string | undefined {
    return this.#epoch;
  }

  /** Whether the server has confirmed the epoch, and nothing since then contradicts it. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The newest offset that the server is known to have stored; 0 if there is none. */
  get offset(): number {
    return this.#offset;
  }

  /** Name of the entry at {@link offset}. */
  get entryName(): string {
    return this.#entryName;
  }

  /** Marks an epoch as doubtful after an unexpected reply. The channel must be opened again. */
  suspect(epoch: string): void {
    if (epoch === this.#epoch) this.#isOpen = false;
  }

  /** Takes over the epoch of a reply. Replies on two connections can overtake each other, so an older epoch is ignored. */
  adopt(epoch: string): void {
    this.#isOpen = true;
    if (this.#epoch !== undefined && Number(epoch) <= Number(this.#epoch)) return;
    this.#epoch = epoch;
    this.#offset = 0;
    this.#entryName = "";
    this.readTo = 0;
    this.lease = new StorageLease();
  }

  /** Notes that the server has stored an entry. */
  noteStored(epoch: string, offset: number, entryName: string): void {
    if (epoch !== this.#epoch || offset <= this.#offset) return;
    this.#offset = offset;
    this.#entryName = entryName;
  }
}

/** Returns the id of an entry in its stream. */
export function entryId(epoch: string, offset: number): string {
  return `${epoch}-${offset}`;
}

/** Returns the epoch of an entry's id. */
export function parseEpoch(id: string): string {
  return id.slice(0, id.indexOf("-"));
}

/** Returns the offset of an entry's id. */
export function parseOffset(id: string): number {
  return Number(id.slice(id.indexOf("-") + 1));
}
