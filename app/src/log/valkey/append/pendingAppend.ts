import type { Appended, NewMessage } from "../../log.ts";
import { recordDigest } from "../../publishId.ts";
import type { ValkeyChannel } from "../valkeyChannel.ts";
import { computeCharge } from "./storageLease.ts";
import type { StorageLease } from "./storageLease.ts";

/** Memory of a pending append besides its record, in bytes. */
const OVERHEAD_BYTES = 256;

export interface PendingAppendParts {
  readonly channel: ValkeyChannel;
  readonly message: NewMessage;
  /** Size of the record in UTF-8. */
  readonly recordBytes: number;
  /** Name of the entry in the stream. The name of a publish with an id is that of its repetitions. */
  readonly name: string;
  /** Called once, when the append has a result: with the time of its reply if the message is stored. */
  readonly onSettled: (append: PendingAppend, storedAt?: number) => void;
}

/** Returns the memory of a pending append, in bytes. */
export function pendingMemoryBytes(recordBytes: number): number {
  return recordBytes + OVERHEAD_BYTES;
}

/** An append without a result. */
export class PendingAppend {
  readonly channel: ValkeyChannel;
  readonly record: string;
  readonly user: string | undefined;
  readonly name: string;
  /** Digest of the record, or of its source. Only a publish with an id has one. */
  readonly digest: string | undefined;
  readonly recordBytes: number;
  /** Bytes that the channel is charged for the entry. */
  readonly chargedBytes: number;
  /** When `append` was called, in milliseconds of `performance.now()`. */
  readonly calledAt = performance.now();
  /** Whether Valkey has confirmed the entry. */
  isStored = false;
  /** Epoch and newest offset of the channel when the append was sent. */
  epoch = 0;
  newestOffset = 0;
  /** The lease that the append was counted for when it was sent. */
  lease: StorageLease | undefined;
  readonly #result = Promise.withResolvers<Appended>();
  readonly #onSettled: PendingAppendParts["onSettled"];
  #isSettled = false;

  constructor({ channel, message, recordBytes, name, onSettled }: PendingAppendParts) {
    const { record, id, user } = message;
    const hasId = id !== undefined;
    this.channel = channel;
    this.record = record;
    this.user = user;
    this.name = name;
    this.digest = hasId ? recordDigest(message.source ?? record) : undefined;
    this.recordBytes = recordBytes;
    this.chargedBytes = computeCharge(this.recordBytes, hasId);
    this.#onSettled = onSettled;
  }

  get result(): Promise<Appended> {
    return this.#result.promise;
  }

  /** Whether the append has a result. It can have one before Valkey replies: a timeout. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Memory of the append until it has a result, in bytes. */
  get memoryBytes(): number {
    return pendingMemoryBytes(this.recordBytes);
  }

  /**
   * Does nothing if the append has a result.
   * @param at time of the reply, in milliseconds of `performance.now()`.
   */
  resolve(appended: Appended, at: number): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#result.resolve(appended);
    this.#onSettled(this, at);
  }

  /** Does nothing if the append has a result. */
  reject(error: Error): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#result.reject(error);
    this.#onSettled(this);
  }
}
