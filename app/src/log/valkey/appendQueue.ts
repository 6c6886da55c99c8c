import type { Logger } from "pino";

import type { Appended, NewMessage } from "../log.ts";
import { idName } from "../publishId.ts";
import { ValkeyAppender } from "./appender.ts";
import { PendingAppend, pendingMemoryBytes } from "./pendingAppend.ts";
import type { ValkeyChannel } from "./valkeyChannel.ts";
import type { ValkeyChannels } from "./valkeyChannels.ts";
import type { ValkeyConnection } from "./valkeyConnection.ts";

/** Maximum number of appends per batch. Larger batches would delay the first results. */
const MAX_BATCH_APPENDS = 2000;

/** Maximum memory of all pending appends together, in bytes. */
const MAX_PENDING_BYTES = 64 * 1024 * 1024;

/** Delay before the appends of a refused channel are sent again, in milliseconds. */
const REFUSED_RETRY_MS = 50;

/** The name of an entry identifies what must be stored only once: a publish with an id, or a single call. */
const ID_PREFIX = "=";
const CALL_PREFIX = "-";

export interface ValkeyAppendQueueParts {
  readonly connection: ValkeyConnection;
  readonly channels: ValkeyChannels;
  /** Unique name of this task. The names of entries contain it. */
  readonly task: string;
  /** Maximum time until an append has a result, in seconds. */
  readonly timeoutSeconds: number;
  /** Called for each stored append, with the seconds since the call. */
  readonly onAppended: (seconds: number) => void;
  readonly logger: Logger;
}

/**
 * Queues appends in the order of the calls. One batch is under way at a time. Later calls form the next batch, after the
 * appends of the last batch that must be sent again. The appends of a refused channel wait without delaying other channels.
 */
export class ValkeyAppendQueue {
  readonly #parts: ValkeyAppendQueueParts;
  readonly #appender: ValkeyAppender;
  /** In the order of the calls. */
  #waiting: PendingAppend[] = [];
  #underWay: readonly PendingAppend[] = [];
  /** Appends of refused channels until the retry, in the order of the calls. */
  readonly #refused = new Map<ValkeyChannel, PendingAppend[]>();
  #pendingBytes = 0;
  #calls = 0;
  #sendImmediate: NodeJS.Immediate | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #expiryTimer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #onIdle: (() => void) | undefined;

  constructor(parts: ValkeyAppendQueueParts) {
    this.#parts = parts;
    this.#appender = new ValkeyAppender(parts);
    parts.connection.onReady(() => {
      this.#schedule();
    });
  }

  /** Appends a message. The promise rejects if the message was not stored in time, or may not have been. */
  append(channel: ValkeyChannel, message: NewMessage): Promise<Appended> {
    if (this.#isClosed) return Promise.reject(new Error("The log is closed."));
    const { id, record, publisher } = message;
    const recordBytes = Buffer.byteLength(record);
    // Before anything is hashed: a task that refuses appends has no time for it.
    if (this.#pendingBytes + pendingMemoryBytes(recordBytes) > MAX_PENDING_BYTES) {
      return Promise.reject(new Error("Too much waits for Valkey already."));
    }
    const name =
      id === undefined
        ? `${CALL_PREFIX}${this.#parts.task}${(this.#calls++).toString(36)}`
        : ID_PREFIX + idName(id, publisher);
    const append = new PendingAppend({ channel, message, recordBytes, name, onSettled: this.#onSettled });
    this.#pendingBytes += append.memoryBytes;
    this.#waiting.push(append);
    this.#schedule();
    this.#expiryTimer ??= setTimeout(this.#expire, this.#parts.timeoutSeconds * 1000);
    return append.result;
  }

  /** Rejects further appends. Resolves when all pending ones have a result. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (!this.#isIdle) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    clearImmediate(this.#sendImmediate);
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#expiryTimer);
  }

  /** Rejects all pending appends. */
  rejectPending(): void {
    const error = new Error("The log was closed before Valkey had answered.");
    this.#resumeRefused();
    for (const append of [...this.#underWay, ...this.#waiting.splice(0)]) append.reject(error);
    this.#onIdle?.();
  }

  get #isIdle(): boolean {
    return this.#underWay.length + this.#waiting.length + this.#refused.size === 0;
  }

  readonly #onSettled = ({ memoryBytes, calledAt }: PendingAppend, storedAt?: number): void => {
    this.#pendingBytes -= memoryBytes;
    if (storedAt !== undefined) this.#parts.onAppended((storedAt - calledAt) / 1000);
  };

  /** Sends the waiting appends at the end of this turn of the event loop, in one write. */
  #schedule(): void {
    if (this.#waiting.length === 0 || this.#underWay.length > 0) return;
    if (!this.#parts.connection.isReady) return;
    this.#sendImmediate ??= setImmediate(this.#send);
  }

  readonly #send = (): void => {
    this.#sendImmediate = undefined;
    if (this.#underWay.length > 0) return;
    const batch = this.#nextBatch();
    this.#underWay = batch;
    void this.#appender.store(batch).then(({ appends, refusals }) => {
      this.#underWay = [];
      for (const [channel, error] of refusals) this.#delay(channel, error);
      this.#sendAgain(appends);
      this.#schedule();
      if (this.#isIdle) this.#onIdle?.();
    });
  };

  /** Takes waiting appends, and moves those of refused channels aside. */
  #nextBatch(): readonly PendingAppend[] {
    if (this.#refused.size === 0) {
      const { length } = this.#waiting;
      return length <= MAX_BATCH_APPENDS
        ? this.#waiting.splice(0)
        : this.#waiting.splice(0, MAX_BATCH_APPENDS);
    }
    const batch: PendingAppend[] = [];
    let taken = 0;
    for (const append of this.#waiting) {
      if (batch.length === MAX_BATCH_APPENDS) break;
      taken += 1;
      (this.#refused.get(append.channel) ?? batch).push(append);
    }
    this.#waiting.splice(0, taken);
    return batch;
  }

  /** Puts appends back in the order of the calls. */
  #sendAgain(appends: readonly PendingAppend[]): void {
    if (appends.length === 0) return;
    this.#waiting = [...appends, ...this.#waiting].sort((one, other) => one.calledAt - other.calledAt);
  }

  /** Delays the appends of a channel until the next retry. */
  #delay(channel: ValkeyChannel, error: Error): void {
    if (!this.#refused.has(channel)) this.#refused.set(channel, []);
    if (this.#retryTimer !== undefined) return;
    // After a failover the connection still leads to the former primary, which is a replica now.
    if (error.message.startsWith("READONLY")) this.#parts.connection.drop();
    this.#retryTimer = setTimeout(() => {
      this.#resumeRefused();
      this.#schedule();
      if (this.#isIdle) this.#onIdle?.();
    }, REFUSED_RETRY_MS);
  }

  #resumeRefused(): void {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    this.#sendAgain([...this.#refused.values()].flat());
    this.#refused.clear();
  }

  readonly #expire = (): void => {
    this.#expiryTimer = undefined;
    const { timeoutSeconds } = this.#parts;
    const horizon = performance.now() - timeoutSeconds * 1000;
    const error = new Error(`Valkey has not answered for ${timeoutSeconds} seconds.`);

    const isExpired = ({ calledAt }: PendingAppend): boolean => calledAt <= horizon;
    for (const append of this.#underWay.filter(isExpired)) append.reject(error);
    let oldest = this.#underWay.find(({ isSettled }) => !isSettled)?.calledAt ?? Infinity;
    for (const queue of [this.#waiting, ...this.#refused.values()]) {
      const firstAlive = queue.findIndex((append) => !isExpired(append));
      for (const append of queue.splice(0, firstAlive < 0 ? Infinity : firstAlive)) append.reject(error);
      oldest = Math.min(oldest, queue[0]?.calledAt ?? Infinity);
    }
    if (oldest === Infinity) return;
    this.#expiryTimer = setTimeout(this.#expire, Math.ceil(oldest - horizon));
  };
}
