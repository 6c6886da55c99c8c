import type { Logger } from "pino";

import type { Appended, NewMessage } from "../../log.ts";
import { idName } from "../../publishId.ts";
import type { ValkeyNode } from "../connection/valkeyNode.ts";
import type { ValkeyNodes } from "../connection/valkeyNodes.ts";
import type { ValkeyChannel } from "../valkeyChannel.ts";
import type { ValkeyChannels } from "../valkeyChannels.ts";
import { ValkeyAppender } from "./appender.ts";
import type { ValkeyAppenderParts } from "./appender.ts";
import { PendingAppend, pendingMemoryBytes } from "./pendingAppend.ts";
import { WaitingAppends } from "./waitingAppends.ts";

/** Maximum number of appends per batch. Larger batches would delay the first results. */
const MAX_BATCH_APPENDS = 2000;

/** Maximum memory of all pending appends together, in bytes. */
const MAX_PENDING_BYTES = 64 * 1024 * 1024;

/** Maximum number of channels with pending appends that must be opened first, which takes Valkey about 0.2 ms for each. */
const MAX_OPENING_CHANNELS = 5000;

/** Delay before the appends of a refused channel are sent again, in milliseconds. */
const REFUSED_RETRY_MS = 50;

/** The name of an entry identifies what must be stored only once: a publish with an id, or a single call. */
const ID_PREFIX = "=";
const CALL_PREFIX = "-";

export interface ValkeyAppendQueueParts extends ValkeyAppenderParts {
  readonly nodes: ValkeyNodes;
  readonly channels: ValkeyChannels;
  /** Unique name of this task. The names of entries contain it. */
  readonly task: string;
  /** Maximum time until an append has a result, in seconds. */
  readonly timeoutSeconds: number;
  /** Called for each stored append, with the seconds since the call. */
  readonly onStored: (seconds: number) => void;
  readonly logger: Logger;
}

/**
 * Queues appends in the order of the calls. One batch per node is under way at a time. Later calls form the next batch, after
 * the appends of the last batch that must be sent again. The appends of a refused channel wait without delaying other channels.
 */
export class ValkeyAppendQueue {
  readonly #parts: ValkeyAppendQueueParts;
  readonly #appender: ValkeyAppender;
  readonly #waiting = new WaitingAppends();
  readonly #underWay = new Map<ValkeyNode, readonly PendingAppend[]>();
  /** Appends of refused channels until the retry, in the order of the calls. */
  readonly #refused = new Map<ValkeyChannel, PendingAppend[]>();
  /** Channels that were not open when an append was called, until the first of their appends has a result. */
  readonly #opening = new Set<ValkeyChannel>();
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
    if (!channel.isOpen || !channel.lease.covers(recordBytes)) {
      if (this.#opening.size >= MAX_OPENING_CHANNELS && !this.#opening.has(channel)) {
        return Promise.reject(new Error("Too many channels wait for Valkey to open them."));
      }
      this.#opening.add(channel);
    }
    const name =
      id === undefined
        ? `${CALL_PREFIX}${this.#parts.task}${(this.#calls++).toString(36)}`
        : ID_PREFIX + idName(id, publisher);
    const append = new PendingAppend({ channel, message, recordBytes, name, onSettled: this.#onSettled });
    this.#pendingBytes += append.memoryBytes;
    this.#waiting.add(append);
    this.#schedule();
    this.#expiryTimer ??= setTimeout(this.#expire, this.#parts.timeoutSeconds * 1000);
    return append.result;
  }

  /** Sends what waits for a node. */
  noteAvailable(node: ValkeyNode): void {
    this.#appender.noteAvailable(node);
    this.#schedule();
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
    for (const append of [...[...this.#underWay.values()].flat(), ...this.#waiting.takeAll()]) {
      append.reject(error);
    }
    this.#onIdle?.();
  }

  get #isIdle(): boolean {
    return this.#underWay.size + this.#waiting.partitions.size + this.#refused.size === 0;
  }

  readonly #onSettled = ({ channel, memoryBytes, calledAt }: PendingAppend, storedAt?: number): void => {
    this.#opening.delete(channel);
    this.#pendingBytes -= memoryBytes;
    if (storedAt !== undefined) this.#parts.onStored((storedAt - calledAt) / 1000);
  };

  /** Sends the waiting appends at the end of this turn of the event loop, in one write per node. */
  #schedule(): void {
    if (this.#waiting.partitions.size > 0) this.#sendImmediate ??= setImmediate(this.#sendAll);
  }

  readonly #sendAll = (): void => {
    this.#sendImmediate = undefined;
    const partitions = new Map<ValkeyNode, number[]>();
    for (const partition of this.#waiting.partitions) {
      const node = this.#parts.nodes.available(partition);
      if (node === undefined || this.#underWay.has(node)) continue;
      const ofNode = partitions.get(node);
      if (ofNode === undefined) partitions.set(node, [partition]);
      else ofNode.push(partition);
    }
    for (const [node, ofNode] of partitions) {
      const batch = this.#nextBatch(ofNode);
      if (batch.length > 0) void this.#send(node, batch);
    }
  };

  async #send(node: ValkeyNode, batch: readonly PendingAppend[]): Promise<void> {
    this.#underWay.set(node, batch);
    // Another node can have the partition before this one replies.
    const partitions = new Set(batch.map(({ channel }) => channel.partition));
    this.#waiting.block(partitions);
    const { appends, refusals } = await this.#appender.store(node, batch);
    this.#waiting.release(partitions);
    this.#underWay.delete(node);
    for (const channel of refusals) this.#delay(channel);
    this.#waiting.addAgain(appends);
    this.#schedule();
    if (this.#isIdle) this.#onIdle?.();
  }

  /** Takes waiting appends of some partitions, and moves those of refused channels aside. */
  #nextBatch(partitions: readonly number[]): readonly PendingAppend[] {
    const appends = this.#waiting.take(partitions, MAX_BATCH_APPENDS);
    if (this.#refused.size === 0) return appends;
    const batch: PendingAppend[] = [];
    for (const append of appends) (this.#refused.get(append.channel) ?? batch).push(append);
    return batch;
  }

  /** Delays the appends of a channel until the next retry. */
  #delay(channel: ValkeyChannel): void {
    if (!this.#refused.has(channel)) this.#refused.set(channel, []);
    this.#retryTimer ??= setTimeout(() => {
      this.#resumeRefused();
      this.#schedule();
      if (this.#isIdle) this.#onIdle?.();
    }, REFUSED_RETRY_MS);
  }

  #resumeRefused(): void {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    this.#waiting.addAgain([...this.#refused.values()].flat());
    this.#refused.clear();
  }

  readonly #expire = (): void => {
    this.#expiryTimer = undefined;
    const { timeoutSeconds } = this.#parts;
    const horizon = performance.now() - timeoutSeconds * 1000;
    const error = new Error(`Valkey has not answered for ${timeoutSeconds} seconds.`);
    const isExpired = ({ calledAt }: PendingAppend): boolean => calledAt <= horizon;

    const underWay = [...this.#underWay.values()].flat();
    for (const append of underWay) if (isExpired(append)) append.reject(error);
    let oldest = Math.min(...underWay.flatMap(({ isSettled, calledAt }) => (isSettled ? [] : [calledAt])));
    for (const queue of [...this.#waiting.queues(), ...this.#refused.values()]) {
      const firstAlive = queue.findIndex((append) => !isExpired(append));
      for (const append of queue.splice(0, firstAlive < 0 ? Infinity : firstAlive)) append.reject(error);
      oldest = Math.min(oldest, queue[0]?.calledAt ?? Infinity);
    }
    this.#waiting.dropEmpty();
    if (this.#isIdle) this.#onIdle?.();
    if (oldest === Infinity) return;
    this.#expiryTimer = setTimeout(this.#expire, Math.ceil(oldest - horizon));
  };
}
