import { randomUUID } from "node:crypto";

import { IdInUseError } from "../log.ts";
import type { Appended, LogPosition, LogReader, MessageLog } from "../log.ts";
import { PackedEntries } from "./packedEntries.ts";
import { idName, payloadDigest } from "../publishId.ts";
import { RecentIds } from "./recentIds.ts";
import type { Retention } from "../retention.ts";
import { UnreadChannels } from "./unreadChannels.ts";

const FIRST_OFFSET = 1;

/** How often old entries and unused channels are dropped, as a share of the time that they are retained. */
const SWEEP_SHARE = 0.25;

/**
 * Channels without a reader share as much memory as so many take that are full of entries. They must be worth
 * something, as a channel has no reader while its only one reconnects; and they must not be worth all the memory of a task,
 * as one client may go through any number of names.
 */
const UNREAD_FULL_CHANNELS = 64;

/** What a channel takes besides its entries and ids, in bytes, as measured: 1.3 KiB, and the administration of a block. */
const CHANNEL_BYTES = 2048;

export interface MemoryLogOptions extends Retention {
  /** A monotonic clock, in milliseconds. */
  readonly now?: () => number;
}

/** The log of a single process: its entries end with it. */
export function createMemoryLog({
  now = () => performance.now(),
  ...retention
}: MemoryLogOptions): MessageLog {
  const channels = new Map<string, Channel>();
  const retainedMs = retention.retainedSeconds * 1000;
  const unread = new UnreadChannels(UNREAD_FULL_CHANNELS * retention.retainedBytes, (name) => {
    channels.delete(name);
  });
  let closed = false;

  const channelOf = (name: string): Channel => {
    let channel = channels.get(name);
    if (channel === undefined) {
      channel = new Channel(retention);
      channels.set(name, channel);
    }
    return channel;
  };
  const noteUse = (name: string, channel: Channel): void => {
    if (!channel.isRead) unread.use(name, channel);
  };

  const sweep = setInterval(() => {
    const horizon = now() - retainedMs;
    for (const [name, channel] of channels) {
      channel.evictBefore(horizon);
      if (!channel.unusedSince(horizon)) continue;
      channels.delete(name);
      unread.remove(name);
    }
    unread.measure();
  }, retainedMs * SWEEP_SHARE);
  sweep.unref();

  return {
    append({ channel: name, payload, id, publisher }) {
      if (closed) return Promise.reject(new Error("The log is closed."));
      const channel = channelOf(name);
      const appended =
        id === undefined
          ? channel.append(payload, now())
          : channel.appendOnce(payload, idName(id, publisher), now());
      noteUse(name, channel);
      return appended ?? Promise.reject(new IdInUseError());
    },

    end(name) {
      if (closed) return Promise.reject(new Error("The log is closed."));
      const channel = channelOf(name);
      const end = channel.end(now());
      noteUse(name, channel);
      return Promise.resolve(end);
    },

    subscribe(name, reader) {
      if (closed) throw new Error("The log is closed.");
      const channel = channelOf(name);
      channel.evictBefore(now() - retainedMs);
      channel.add(reader);
      unread.remove(name);
      let reading = true;
      return () => {
        if (!reading) return;
        reading = false;
        channel.remove(reader, now());
        if (!closed) noteUse(name, channel);
      };
    },

    close() {
      closed = true;
      clearInterval(sweep);
      for (const [name, channel] of channels) {
        channel.close();
        unread.remove(name);
      }
      channels.clear();
      return Promise.resolve();
    },
  };
}

class Channel {
  readonly #epoch = randomUUID();
  readonly #entries: PackedEntries;
  readonly #ids: RecentIds;
  /** Copied on change, so that `append` walks an array that stays as it is. */
  #readers: readonly LogReader[] = [];
  #usedAt = 0;

  constructor(retention: Retention) {
    this.#entries = new PackedEntries(FIRST_OFFSET, retention);
    this.#ids = new RecentIds(retention.retainedMessages);
  }

  get isRead(): boolean {
    return this.#readers.length > 0;
  }

  get memoryBytes(): number {
    return CHANNEL_BYTES + this.#entries.memoryBytes + this.#ids.memoryBytes;
  }

  /** @returns nothing if another payload has this id. */
  appendOnce(payload: string, name: string, at: number): Appended | undefined {
    const digest = payloadDigest(payload);
    const known = this.#ids.find(name);
    if (known === undefined) {
      const appended = this.append(payload, at);
      this.#ids.add(name, { offset: appended.offset, digest }, at);
      return appended;
    }
    this.#usedAt = at;
    if (known.digest !== digest) return undefined;
    return { epoch: this.#epoch, offset: known.offset, duplicate: true };
  }

  append(payload: string, at: number): Appended {
    this.#usedAt = at;
    const offset = this.#entries.push(payload, at);
    for (const reader of this.#readers) reader.entries([{ offset, payload }]);
    return { epoch: this.#epoch, offset, duplicate: false };
  }

  end(at: number): LogPosition {
    this.#usedAt = at;
    return { epoch: this.#epoch, next: this.#entries.end };
  }

  add(reader: LogReader): void {
    const { first, end } = this.#entries;
    reader.started({ epoch: this.#epoch, next: first }, end);
    if (first < end) reader.entries(this.#entries.all());
    this.#readers = [...this.#readers, reader];
  }

  remove(reader: LogReader, at: number): void {
    this.#usedAt = at;
    // One of them: the same reader may have subscribed twice.
    const index = this.#readers.indexOf(reader);
    if (index >= 0) this.#readers = this.#readers.toSpliced(index, 1);
  }

  evictBefore(horizon: number): void {
    this.#entries.evictBefore(horizon);
    this.#ids.evictBefore(horizon);
  }

  unusedSince(horizon: number): boolean {
    return !this.isRead && this.#usedAt < horizon;
  }

  close(): void {
    this.#readers = [];
  }
}
