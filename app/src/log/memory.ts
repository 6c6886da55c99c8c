import { randomUUID } from "node:crypto";

import type { Appended, LogPosition, LogReader, MessageLog } from "./log.ts";
import { PackedEntries } from "./packedEntries.ts";
import type { Retention } from "./retention.ts";

const FIRST_OFFSET = 1;

/** How often old entries and unused channels are dropped, as a share of the time that they are retained. */
const SWEEP_SHARE = 0.25;

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
  let closed = false;

  const channelOf = (name: string): Channel => {
    let channel = channels.get(name);
    if (channel === undefined) {
      channel = new Channel(retention);
      channels.set(name, channel);
    }
    return channel;
  };

  const sweep = setInterval(() => {
    const horizon = now() - retainedMs;
    for (const [name, channel] of channels) {
      channel.evictBefore(horizon);
      if (channel.unusedSince(horizon)) channels.delete(name);
    }
  }, retainedMs * SWEEP_SHARE);
  sweep.unref();

  return {
    append(name, payload, id) {
      if (closed) return Promise.reject(new Error("The log is closed."));
      return channelOf(name).append(payload, id, now());
    },

    end(name) {
      if (closed) return Promise.reject(new Error("The log is closed."));
      return Promise.resolve(channelOf(name).end(now()));
    },

    subscribe(name, reader) {
      if (closed) {
        reader.failed(new Error("The log is closed."));
        return () => undefined;
      }
      const channel = channelOf(name);
      channel.evictBefore(now() - retainedMs);
      channel.add(reader);
      let reading = true;
      return () => {
        if (reading) channel.remove(reader, now());
        reading = false;
      };
    },

    close() {
      closed = true;
      clearInterval(sweep);
      for (const channel of channels.values()) channel.close();
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

  append(payload: string, id: string | undefined, at: number): Appended {
    this.#usedAt = at;
    if (id !== undefined) {
      const known = this.#ids.find(id);
      if (known !== undefined) return { epoch: this.#epoch, offset: known, duplicate: true };
    }
    const offset = this.#entries.push(payload, at);
    if (id !== undefined) this.#ids.add(id, offset);
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
  }

  unusedSince(horizon: number): boolean {
    return this.#readers.length === 0 && this.#usedAt < horizon;
  }

  close(): void {
    this.#readers = [];
  }
}

/** The ids of the newest entries, of one to two windows of offsets: forgetting costs nothing per entry. */
class RecentIds {
  readonly #window: number;
  #generation = 0;
  #recent = new Map<string, number>();
  #older = new Map<string, number>();

  /** @param window entries whose ids are remembered at least. */
  constructor(window: number) {
    this.#window = window;
  }

  find(id: string): number | undefined {
    return this.#recent.get(id) ?? this.#older.get(id);
  }

  add(id: string, offset: number): void {
    const generation = Math.floor(offset / this.#window);
    if (generation !== this.#generation) {
      this.#older = generation === this.#generation + 1 ? this.#recent : new Map<string, number>();
      this.#recent = new Map();
      this.#generation = generation;
    }
    this.#recent.set(id, offset);
  }
}
