import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";

import type { RecurringProblem } from "../../metrics/recurringProblem.ts";
import type { LogEntry, LogReader } from "../log.ts";
import type { Retention } from "../retention.ts";
import { entryId, epochOf, offsetOf } from "./valkeyChannel.ts";
import type { ValkeyChannel } from "./valkeyChannel.ts";
import type { OpenedChannel, ValkeyChannels } from "./valkeyChannels.ts";
import type { ValkeyCommand, CommandOutcome, ValkeyConnection } from "./valkeyConnection.ts";

/** Most entries of a channel that one read takes. */
const READ_COUNT = 1000;

/** Interval of reads where they cannot wait for news, in milliseconds. */
const POLL_MS = 10;
/** Time after which a server that refused a read that waits is asked again, in milliseconds. */
const BLOCK_AGAIN_MS = 60_000;
/** Reads for what has come meanwhile, before news is delivered: a round trip to Valkey costs less than a write to everybody. */
const MAX_DRAIN_READS = 4;

/**
 * Most that a reader is given in one turn, as a share of what the log retains. A reader that passes it on keeps as much for
 * whoever is slow: were it given more, it would have dropped the beginning before anybody could take it.
 */
const DELIVERY_SHARE = 0.25;
/** What an entry is longer than its payload when it is passed on, in bytes, about. */
const ENTRY_OVERHEAD_BYTES = 48;

/** What is read of a channel before it is trimmed, as a share of what the log retains. */
const TRIM_SHARE = 0.25;

/** Time after which a server that refused a read is asked again, in milliseconds. */
const REFUSED_RETRY_MS = 100;

/** How long the stream that wakes a reader outlives its last use, in milliseconds. */
const WAKE_EXPIRY_MS = 60_000;

export interface ValkeyChannelReaderParts {
  /** Of its own: it is busy with waiting. */
  readonly connection: ValkeyConnection;
  /** The one that everything else goes through. */
  readonly commands: ValkeyConnection;
  readonly channels: ValkeyChannels;
  /** The stream that wakes it, its own. */
  readonly wakeKey: string;
  readonly retention: Retention;
  /** Longest time that a read waits for news, in milliseconds. */
  readonly blockMs: number;
  /** The server refuses a read, or one that waits. */
  readonly problems: { readonly read: RecurringProblem; readonly wait: RecurringProblem };
}

/** An entry, and how long its payload is as UTF-8. */
interface MeasuredEntry extends LogEntry {
  readonly bytes: number;
}

interface Subscription {
  readonly reader: LogReader;
  /** Whether the server was asked for its place. */
  asked: boolean;
  /** Of the entries that it was told; undefined before the beginning. */
  epoch: string | undefined;
  next: number;
}

/** A channel that is read. It is read once, from the place of the subscription that is the furthest behind. */
interface Followed {
  readonly channel: ValkeyChannel;
  readonly subscriptions: Set<Subscription>;
  /** Whether every subscription has a place in the present epoch. */
  placed: boolean;
  epoch: string;
  /** Offset of the next entry to read. */
  next: number;
  /** Where the entries go on behind a hole in the stream. */
  skipTo: number;
  /** Where the channel ended when it was placed: as far as there are entries to read at once. */
  end: number;
  /** Bytes that were read since it was trimmed. */
  untrimmedBytes: number;
}

/** What was read, and nobody has been given yet. */
type News = Map<Followed, MeasuredEntry[]>;

/** Streams as a server answers them: key, then entries of id, name and payload. */
type Streams = readonly (readonly [key: string, entries: readonly StoredEntry[]])[];
type StoredEntry = readonly [id: string, fields: readonly [name: string, payload: string]];

/** Reads the channels that have subscriptions, by one command that waits for news of any of them. */
export class ValkeyChannelReader {
  readonly #parts: ValkeyChannelReaderParts;
  readonly #followed = new Map<string, Followed>();
  readonly #deliveryBytes: number;
  #wakeId = "0-0";
  /** Whether some channel is not placed. */
  #displaced = false;
  /** Whether a read waits for news. */
  #waiting = false;
  #woken = Promise.withResolvers<undefined>();
  #blockAgainAt = 0;
  #closed = false;
  readonly #running: Promise<void>;

  constructor(parts: ValkeyChannelReaderParts) {
    this.#parts = parts;
    this.#deliveryBytes = parts.retention.retainedBytes * DELIVERY_SHARE;
    this.#running = this.#run();
  }

  subscribe(channel: ValkeyChannel, reader: LogReader): () => void {
    let followed = this.#followed.get(channel.key);
    if (followed === undefined) {
      followed = {
        channel,
        subscriptions: new Set(),
        placed: false,
        epoch: "",
        next: 0,
        skipTo: 0,
        end: 0,
        untrimmedBytes: 0,
      };
      this.#followed.set(channel.key, followed);
    }
    const { subscriptions } = followed;
    const subscription: Subscription = { reader, asked: false, epoch: undefined, next: 0 };
    subscriptions.add(subscription);
    this.#displace(followed);
    return () => {
      subscriptions.delete(subscription);
      if (subscriptions.size === 0 && this.#followed.get(channel.key) === followed) {
        this.#followed.delete(channel.key);
      }
    };
  }

  /** How many it reads. */
  get channels(): number {
    return this.#followed.size;
  }

  follows(channel: ValkeyChannel): boolean {
    return this.#followed.has(channel.key);
  }

  /** A channel was opened for another reason; its readers may have to know. */
  noteOpened(channel: ValkeyChannel, { epoch }: OpenedChannel): void {
    const followed = this.#followed.get(channel.key);
    if (followed?.placed === true && followed.epoch !== epoch) this.#displace(followed);
  }

  /** Ends all subscriptions at once. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { subscriptions } of this.#followed.values()) subscriptions.clear();
    this.#followed.clear();
    this.#parts.connection.close();
    this.#woken.resolve(undefined);
    await this.#running;
    void this.#parts.commands.send([["del", this.#parts.wakeKey]]);
  }

  async #run(): Promise<void> {
    const { connection, problems } = this.#parts;
    while (!this.#closed) {
      if (this.#followed.size === 0) {
        this.#woken = Promise.withResolvers();
        await this.#woken.promise;
        continue;
      }
      await connection.waitUntilReady();
      try {
        await this.#place();
        await this.#read();
      } catch (error) {
        if (connection.isClosed) return;
        // What the server did meanwhile is unknown: each channel has to show that it is what it was.
        for (const followed of this.#followed.values()) followed.placed = false;
        this.#displaced = true;
        if (connection.isReady) {
          problems.read.note(error);
          await delay(REFUSED_RETRY_MS);
        }
      }
    }
  }

  #displace(followed: Followed): void {
    followed.placed = false;
    this.#displaced = true;
    this.#woken.resolve(undefined);
    if (!this.#waiting) return;
    this.#waiting = false;
    const { commands, wakeKey } = this.#parts;
    void commands.send([
      ["xadd", wakeKey, "MAXLEN", 1, "*", "", ""],
      ["pexpire", wakeKey, WAKE_EXPIRY_MS],
    ]);
  }

  /** Gives every subscription a place, where it has none, or none that it can go on from. */
  async #place(): Promise<void> {
    if (!this.#displaced) return;
    this.#displaced = false;
    const unplaced = [...this.#followed.values()].filter(({ placed }) => !placed);
    if (unplaced.length === 0) return;
    for (const followed of unplaced) {
      followed.placed = true;
      for (const subscription of followed.subscriptions) subscription.asked = true;
    }
    const { channels, connection } = this.#parts;
    const opened = await channels.open(connection, unplaced);
    const refused: Followed[] = [];
    for (const [index, followed] of unplaced.entries()) {
      const answer = opened[index];
      if (answer instanceof Error) {
        if (!connection.isReady) throw answer;
        followed.placed = false;
        refused.push(followed);
      } else if (answer !== undefined) this.#placeAt(followed, answer);
    }
    if (refused.length === 0) return;
    setTimeout(() => {
      for (const followed of refused) if (!followed.placed) this.#displace(followed);
    }, REFUSED_RETRY_MS).unref();
  }

  #placeAt(followed: Followed, { epoch, first, end }: OpenedChannel): void {
    const goesOn = followed.epoch === epoch;
    const from = goesOn ? Math.max(first, followed.skipTo) : first;
    followed.epoch = epoch;
    followed.skipTo = 0;
    followed.next = end;
    followed.end = end;
    for (const subscription of followed.subscriptions) {
      // It came meanwhile, and the channel may have a later end for it.
      if (!subscription.asked) continue;
      if (subscription.epoch !== epoch || subscription.next < from) {
        subscription.epoch = epoch;
        subscription.next = from;
        subscription.reader.started({ epoch, next: from }, end);
      }
      followed.next = Math.min(followed.next, subscription.next);
    }
  }

  async #read(): Promise<void> {
    if (this.#displaced) return;
    const followed = [...this.#followed.values()].filter(({ placed }) => placed);
    const behind = followed.filter(({ next, end }) => next < end);
    const waits = behind.length === 0 && performance.now() >= this.#blockAgainAt;
    const news: News = new Map();
    try {
      let bytes = this.#take(await (waits ? this.#wait(followed) : this.#ask(followed)), news);
      if (bytes === 0 && !waits) await delay(POLL_MS);
      // A server ends the wait at the first entry of a batch; the others are there a moment later.
      let found = bytes;
      for (let read = 0; read < MAX_DRAIN_READS && found > 0 && bytes < this.#deliveryBytes; read++) {
        found = this.#take(await this.#ask([...news.keys()]), news);
        bytes += found;
      }
    } finally {
      await this.#deliver(news);
    }
    // What was there when they were placed has been dropped since.
    for (const one of behind) if (!news.has(one)) this.#displace(one);
  }

  /** Reads what there is, and waits where there is nothing. */
  async #wait(followed: readonly Followed[]): Promise<Streams> {
    const { connection, blockMs, problems } = this.#parts;
    this.#waiting = true;
    const [outcome] = await connection.send([this.#command(followed, "BLOCK", blockMs)]);
    this.#waiting = false;
    if (outcome?.kind !== "refused") {
      if (outcome?.kind === "answered") problems.wait.end();
      return streamsOf(outcome);
    }

    const streams = await this.#ask(followed);
    // It does not refuse to read, but to wait.
    this.#blockAgainAt = performance.now() + BLOCK_AGAIN_MS;
    problems.wait.note(outcome.error);
    return streams;
  }

  /** Reads what there is. */
  async #ask(followed: readonly Followed[]): Promise<Streams> {
    const [outcome] = await this.#parts.connection.send([this.#command(followed)]);
    return streamsOf(outcome);
  }

  #command(followed: readonly Followed[], ...options: readonly (string | number)[]): ValkeyCommand {
    return [
      "xread",
      ...options,
      "COUNT",
      READ_COUNT,
      "STREAMS",
      this.#parts.wakeKey,
      ...followed.map(({ channel }) => channel.key),
      this.#wakeId,
      ...followed.map(({ epoch, next }) => entryId(epoch, next - 1)),
    ];
  }

  /** @returns the bytes of what was new. */
  #take(streams: Streams, news: News): number {
    let bytes = 0;
    for (const [key, stored] of streams) {
      const followed = this.#followed.get(key);
      if (key === this.#parts.wakeKey) this.#wakeId = stored.at(-1)?.[0] ?? this.#wakeId;
      else if (followed?.placed === true) {
        const entries = this.#takeFrom(followed, stored);
        if (entries.length === 0) continue;
        for (const entry of entries) bytes += passedOn(entry);
        const earlier = news.get(followed);
        if (earlier === undefined) news.set(followed, entries);
        else earlier.push(...entries);
      }
    }
    return bytes;
  }

  #takeFrom(followed: Followed, stored: readonly StoredEntry[]): MeasuredEntry[] {
    const { epoch, channel } = followed;
    const last = stored.at(-1);
    const entries: MeasuredEntry[] = [];
    // Ids only grow: where the last one is as far as there are entries, none is missing.
    const whole = last?.[0] === entryId(epoch, followed.next + stored.length - 1);
    for (const [id, [, payload]] of stored) {
      if (!whole && id !== entryId(epoch, followed.next)) {
        if (epochOf(id) === epoch) followed.skipTo = offsetOf(id);
        followed.placed = false;
        this.#displaced = true;
        return entries;
      }
      entries.push({ offset: followed.next, payload, bytes: Buffer.byteLength(payload) });
      followed.next += 1;
    }
    if (last !== undefined) channel.noteStored(epoch, followed.next - 1, last[1][0]);
    return entries;
  }

  /** In pieces, each in a turn of its own, at whose end readers pass on what they were given: the next read is not before it. */
  async #deliver(news: News): Promise<void> {
    let undelivered: readonly (readonly [Followed, readonly MeasuredEntry[]])[] = [...news];
    while (undelivered.length > 0 && !this.#closed) {
      const later: (readonly [Followed, readonly MeasuredEntry[]])[] = [];
      for (const [followed, entries] of undelivered) {
        const count = countWithin(entries, this.#deliveryBytes);
        this.#tell(followed, count < entries.length ? entries.slice(0, count) : entries);
        if (count < entries.length) later.push([followed, entries.slice(count)]);
      }
      undelivered = later;
      await nextTurn();
    }
  }

  #tell(followed: Followed, entries: readonly MeasuredEntry[]): void {
    const [first] = entries;
    if (first === undefined) return;
    for (const subscription of followed.subscriptions) {
      if (subscription.epoch !== followed.epoch) continue;
      const unread = entries.slice(Math.max(0, subscription.next - first.offset));
      if (unread.length === 0) continue;
      subscription.next += unread.length;
      subscription.reader.entries(unread);
    }
    followed.channel.readTo = first.offset + entries.length;
    for (const { bytes } of entries) followed.untrimmedBytes += bytes;
    const { retention, channels, commands } = this.#parts;
    if (followed.untrimmedBytes < retention.retainedBytes * TRIM_SHARE) return;
    followed.untrimmedBytes = 0;
    void channels.open(commands, [followed]);
  }
}

/** @throws where there is no answer, or a refusal. */
function streamsOf(outcome: CommandOutcome | undefined): Streams {
  if (outcome?.kind !== "answered") throw outcome?.error ?? new Error("Valkey has not answered.");
  // By XREAD.
  return (outcome.reply as Streams | null) ?? [];
}

function passedOn({ bytes }: MeasuredEntry): number {
  return bytes + ENTRY_OVERHEAD_BYTES;
}

/** How many of the first entries have so many bytes at most when they are passed on; one at least. */
function countWithin(entries: readonly MeasuredEntry[], maxBytes: number): number {
  let bytes = 0;
  const beyond = entries.findIndex((entry) => (bytes += passedOn(entry)) > maxBytes);
  return beyond < 0 ? entries.length : Math.max(1, beyond);
}
