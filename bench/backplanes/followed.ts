/** The followed channels of one task, and how they continue without a missing or a double entry. */
import type { Redis } from "iovalkey";

import { batches, entryId, MAX_BATCH_CHANNELS, MAX_READ_ENTRIES, offsetOf } from "./backplane.ts";
import type { OnEntries } from "./backplane.ts";
import { send } from "./nodes.ts";
import { defineScript } from "./script.ts";

/**
 * Returns the newest id of each stream that differs from what the caller expects, and renews the expiry of the streams.
 * Keys: streams of one slot. Arguments: the expected ids. Reply: pairs of an index and an id.
 */
export const refreshScript = defineScript(`
local changed = {}
for i, key in ipairs(KEYS) do
  local newest = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
  if newest then
    redis.call('PEXPIRE', key, 360000)
    if newest[1] ~= ARGV[i] then
      changed[#changed + 1] = i
      changed[#changed + 1] = newest[1]
    end
  end
end
return changed`);

/** An entry of a stream as the server replies it. */
export type StreamEntry = readonly [id: string, fields: readonly string[]];

/** The reply of XREAD. */
export type Streams = readonly (readonly [key: string, entries: readonly StreamEntry[]])[];

interface Followed {
  readonly channel: string;
  readonly key: string;
  readonly partition: number;
  /** Offset of the next entry; -1 until the log was asked. */
  next: number;
  /** Offset up to which entries are known to exist. */
  end: number;
  isReading: boolean;
}

export interface FollowedChannelsParts {
  readonly onEntries: OnEntries;
  /** Returns the connection for a partition. */
  readonly connectionOf: (partition: number) => Redis;
  readonly keyOf: (channel: string) => string;
  readonly partitionOf: (channel: string) => number;
}

/** A push that does not continue a channel causes a read of the log. Pushes during a read only move its end. */
export class FollowedChannels {
  readonly #parts: FollowedChannelsParts;
  readonly #byKey = new Map<string, Followed>();

  constructor(parts: FollowedChannelsParts) {
    this.#parts = parts;
  }

  /** Adds channels. {@link refresh} gives them their positions. @returns their keys by partition. */
  add(channels: readonly string[]): ReadonlyMap<number, readonly string[]> {
    const { keyOf, partitionOf } = this.#parts;
    const added = channels.map((channel): Followed => {
      const key = keyOf(channel);
      return { channel, key, partition: partitionOf(channel), next: -1, end: 0, isReading: false };
    });
    for (const followed of added) this.#byKey.set(followed.key, followed);
    return keysByPartition(added);
  }

  /** @returns the keys of the removed channels by partition. */
  remove(channels: readonly string[]): ReadonlyMap<number, readonly string[]> {
    const removed = channels.flatMap((channel) => this.#byKey.get(this.#parts.keyOf(channel)) ?? []);
    for (const { key } of removed) this.#byKey.delete(key);
    return keysByPartition(removed);
  }

  /** All keys by partition. */
  keys(): ReadonlyMap<number, readonly string[]> {
    return keysByPartition([...this.#byKey.values()]);
  }

  /** Returns the id of the last entry of a channel that was read, as XREAD expects it. */
  lastId(key: string): string {
    const next = this.#byKey.get(key)?.next ?? 0;
    return next > 0 ? entryId(next - 1) : "0-0";
  }

  /** Takes pushed entries of a channel. */
  push(key: string, first: number, payloads: readonly string[]): void {
    const followed = this.#byKey.get(key);
    if (followed === undefined) return;
    const end = first + payloads.length;
    if (followed.next < 0 || followed.isReading || first > followed.next) {
      followed.end = Math.max(followed.end, end);
      if (followed.next >= 0) void this.#read(followed);
      return;
    }
    const fresh = payloads.slice(followed.next - first);
    if (fresh.length === 0) return;
    const { next } = followed;
    followed.next = end;
    this.#parts.onEntries(followed.channel, next, fresh);
  }

  /** Asks the log for the ends of the given channels, or all. Channels without a position continue there. */
  async refresh(only?: ReadonlyMap<number, readonly string[]>): Promise<void> {
    await this.#forBatches(only, async (connection, channels) => {
      const keys = channels.map(({ key }) => key);
      const expected = channels.map(({ next }) => entryId(next - 1));
      const [reply] = await send(connection, [refreshScript.run(keys, expected)]);
      const ends = endsOf(reply as readonly (number | string)[]);
      for (const [index, followed] of channels.entries()) {
        const end = ends.get(index) ?? 0;
        if (followed.next < 0) followed.next = end;
        followed.end = Math.max(followed.end, end);
        if (followed.end > followed.next) void this.#read(followed);
      }
    });
  }

  /** Reads what the followed channels have not received. One command has many channels, and returns only new entries. */
  async verify(): Promise<void> {
    await this.#forBatches(undefined, async (connection, channels) => {
      const keys = channels.map(({ key }) => key);
      const ids = channels.map(({ next }) => (next > 0 ? entryId(next - 1) : "0-0"));
      const [reply] = await send(connection, [
        ["xread", "COUNT", MAX_READ_ENTRIES, "STREAMS", ...keys, ...ids],
      ]);
      for (const [key, entries] of (reply as Streams | null) ?? []) {
        const payloads = entries.map(([, [, payload = ""]]) => payload);
        const [first] = entries;
        if (first !== undefined) this.push(key, offsetOf(first[0]), payloads);
      }
    });
  }

  /** Calls `action` with channels of one partition, for the given keys or all. */
  async #forBatches(
    only: ReadonlyMap<number, readonly string[]> | undefined,
    action: (connection: Redis, channels: readonly Followed[]) => Promise<void>,
  ): Promise<void> {
    await Promise.all(
      [...(only ?? this.keys())].flatMap(([partition, keys]) =>
        batches(keys, MAX_BATCH_CHANNELS).map(async (batch) => {
          const channels = batch.flatMap((key) => this.#byKey.get(key) ?? []);
          if (channels.length > 0) await action(this.#parts.connectionOf(partition), channels);
        }),
      ),
    );
  }

  /** Reads the log until the known end. */
  async #read(followed: Followed): Promise<void> {
    if (followed.isReading) return;
    followed.isReading = true;
    const { connectionOf, onEntries } = this.#parts;
    try {
      while (followed.next < followed.end) {
        const connection = connectionOf(followed.partition);
        const range = [entryId(followed.next), "+", "COUNT", MAX_READ_ENTRIES] as const;
        const [reply] = await send(connection, [["xrange", followed.key, ...range]]);
        const entries = reply as readonly StreamEntry[];
        const [newest] = entries.slice(-1);
        const [oldest] = entries;
        if (newest === undefined || oldest === undefined) break;
        followed.next = offsetOf(newest[0]) + 1;
        onEntries(
          followed.channel,
          offsetOf(oldest[0]),
          entries.map(([, [, payload = ""]]) => payload),
        );
      }
    } catch {
      // The connection was lost. The channel is verified when it is back.
    } finally {
      followed.isReading = false;
    }
  }
}

function keysByPartition(channels: readonly Followed[]): ReadonlyMap<number, readonly string[]> {
  const keys = new Map<number, string[]>();
  for (const { partition, key } of channels) {
    const list = keys.get(partition);
    if (list === undefined) keys.set(partition, [key]);
    else list.push(key);
  }
  return keys;
}

/** Offsets after the newest entries, by index from 0. */
function endsOf(reply: readonly (number | string)[]): ReadonlyMap<number, number> {
  return new Map(
    batches(reply, 2).map(([index, id]) => [Number(index) - 1, offsetOf(String(id)) + 1] as const),
  );
}
