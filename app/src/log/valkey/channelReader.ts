import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";

import type { RecurringProblem } from "../../metrics/recurringProblem.ts";
import type { LogReader, RetentionOf } from "../log.ts";
import { countWithin, deliveredBytes, FollowedChannel } from "./followedChannel.ts";
import type { MeasuredEntry, StreamEntry } from "./followedChannel.ts";
import type { ValkeyChannel } from "./valkeyChannel.ts";
import type { OpenedChannel, ValkeyChannels } from "./valkeyChannels.ts";
import type { CommandOutcome, ValkeyCommand, ValkeyConnection } from "./valkeyConnection.ts";

/** Maximum number of entries per channel and read. */
const MAX_READ_ENTRIES = 1000;

/** Interval of reads if the server refuses blocking reads, in milliseconds. */
const POLL_MS = 10;
/** Delay before a refused blocking read is tried again, in milliseconds. */
const BLOCK_AGAIN_MS = 60_000;

/** Maximum number of further reads before entries are delivered: a round trip costs less than a write to every client. */
const MAX_DRAIN_READS = 4;

/**
 * Maximum delivery per turn of the event loop, as a share of what the log retains. A reader keeps that much for its slow
 * clients. With larger deliveries it would drop the first entries before any client can read them.
 */
const DELIVERY_SHARE = 0.25;

/** Bytes that are read before the stream is trimmed, as a share of what the log retains. */
const TRIM_SHARE = 0.25;

/** Delay before a refused read is tried again, in milliseconds. */
const REFUSED_RETRY_MS = 100;

/** Expiry of the stream that wakes a reader, in milliseconds. */
const WAKE_EXPIRY_MS = 60_000;

export interface ValkeyChannelReaderParts {
  /** Used by this reader only, because blocking reads occupy it. */
  readonly connection: ValkeyConnection;
  /** The connection for all other commands. */
  readonly commands: ValkeyConnection;
  readonly channels: ValkeyChannels;
  /** Key of a stream for this reader only. A new entry in it ends the blocking read. */
  readonly wakeKey: string;
  readonly retentionOf: RetentionOf;
  /** Maximum time that a read blocks, in milliseconds. */
  readonly blockMs: number;
  /** Refused reads, and refused blocking reads. */
  readonly problems: { readonly read: RecurringProblem; readonly wait: RecurringProblem };
}

/** Entries that were read and not delivered yet. */
type Undelivered = Map<FollowedChannel, MeasuredEntry[]>;

/** The streams of an XREAD reply. */
type Streams = readonly (readonly [key: string, entries: readonly StreamEntry[]])[];

/** Reads all channels that have subscriptions with one blocking command. */
export class ValkeyChannelReader {
  readonly #parts: ValkeyChannelReaderParts;
  /** By the key of the stream. */
  readonly #followed = new Map<string, FollowedChannel>();
  #wakeId = "0-0";
  /** Whether a channel must be placed. */
  #isDisplaced = false;
  /** Whether a blocking read is under way. */
  #isBlocked = false;
  #woken = Promise.withResolvers<undefined>();
  #blockAgainAt = 0;
  #isClosed = false;
  readonly #running: Promise<void>;

  constructor(parts: ValkeyChannelReaderParts) {
    this.#parts = parts;
    this.#running = this.#run();
  }

  /** @returns its undo. */
  subscribe(channel: ValkeyChannel, reader: LogReader): () => void {
    let followed = this.#followed.get(channel.key);
    if (followed === undefined) {
      followed = new FollowedChannel(channel);
      this.#followed.set(channel.key, followed);
    }
    const subscribed = followed;
    const unsubscribe = subscribed.subscribe(reader);
    this.#displace(subscribed);
    return () => {
      unsubscribe();
      if (!subscribed.hasSubscriptions && this.#followed.get(channel.key) === subscribed) {
        this.#followed.delete(channel.key);
      }
    };
  }

  /** Number of channels that it reads. */
  get channels(): number {
    return this.#followed.size;
  }

  isFollowing(channel: ValkeyChannel): boolean {
    return this.#followed.has(channel.key);
  }

  /** Takes over what another part has found: if the channel has another epoch, its readers must continue there. */
  noteOpened(channel: ValkeyChannel, { epoch }: OpenedChannel): void {
    const followed = this.#followed.get(channel.key);
    if (followed?.isPlaced === true && followed.epoch !== epoch) this.#displace(followed);
  }

  /** Ends all subscriptions at once. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const followed of this.#followed.values()) followed.unsubscribeAll();
    this.#followed.clear();
    this.#parts.connection.close();
    this.#woken.resolve(undefined);
    await this.#running;
    void this.#parts.commands.send([["del", this.#parts.wakeKey]]);
  }

  async #run(): Promise<void> {
    const { connection, problems } = this.#parts;
    while (!this.#isClosed) {
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
        // The server may have lost entries meanwhile, so every channel is placed again.
        for (const followed of this.#followed.values()) followed.displace();
        this.#isDisplaced = true;
        if (connection.isReady) {
          problems.read.note(error);
          await delay(REFUSED_RETRY_MS);
        }
      }
    }
  }

  #displace(followed: FollowedChannel): void {
    followed.displace();
    this.#isDisplaced = true;
    this.#woken.resolve(undefined);
    if (!this.#isBlocked) return;
    this.#isBlocked = false;
    const { commands, wakeKey } = this.#parts;
    void commands.send([
      ["xadd", wakeKey, "MAXLEN", 1, "*", "", ""],
      ["pexpire", wakeKey, WAKE_EXPIRY_MS],
    ]);
  }

  /** Asks the server for the channels that have no position, and places them. */
  async #place(): Promise<void> {
    if (!this.#isDisplaced) return;
    this.#isDisplaced = false;
    const displaced = [...this.#followed.values()].filter(({ isPlaced }) => !isPlaced);
    if (displaced.length === 0) return;
    for (const followed of displaced) followed.beginPlacing();
    const { channels, connection } = this.#parts;
    const opened = await channels.open(connection, displaced);
    const refused: FollowedChannel[] = [];
    for (const [index, followed] of displaced.entries()) {
      const answer = opened[index];
      if (answer instanceof Error) {
        if (!connection.isReady) throw answer;
        followed.displace();
        refused.push(followed);
      } else if (answer !== undefined) followed.placeAt(answer);
    }
    if (refused.length === 0) return;
    setTimeout(() => {
      for (const followed of refused) if (!followed.isPlaced) this.#displace(followed);
    }, REFUSED_RETRY_MS).unref();
  }

  async #read(): Promise<void> {
    if (this.#isDisplaced) return;
    const followed = [...this.#followed.values()].filter(({ isPlaced }) => isPlaced);
    const behind = followed.filter(({ isBehind }) => isBehind);
    const canBlock = behind.length === 0 && performance.now() >= this.#blockAgainAt;
    const undelivered: Undelivered = new Map();
    try {
      const streams = await (canBlock ? this.#readBlocking(followed) : this.#readAvailable(followed));
      let bytes = this.#take(streams, undelivered);
      if (bytes === 0 && !canBlock) await delay(POLL_MS);
      // A blocking read ends at the first entry of a batch. The others are available a moment later.
      let found = bytes;
      for (
        let read = 0;
        read < MAX_DRAIN_READS && found > 0 && bytes < this.#maxDeliveryBytes(followed[0]);
        read++
      ) {
        found = this.#take(await this.#readAvailable([...undelivered.keys()]), undelivered);
        bytes += found;
      }
    } finally {
      await this.#deliver(undelivered);
    }
    // The server has dropped the entries that were there when the channel was placed.
    for (const one of behind) if (!undelivered.has(one)) this.#displace(one);
  }

  /** Reads the available entries, or waits for the next ones. */
  async #readBlocking(followed: readonly FollowedChannel[]): Promise<Streams> {
    const { connection, blockMs, problems } = this.#parts;
    this.#isBlocked = true;
    const [outcome] = await connection.send([this.#command(followed, "BLOCK", blockMs)]);
    this.#isBlocked = false;
    if (outcome?.kind !== "refused") {
      if (outcome?.kind === "answered") problems.wait.end();
      return readStreams(outcome);
    }

    const streams = await this.#readAvailable(followed);
    // The server allows the read itself, so it refuses only BLOCK.
    this.#blockAgainAt = performance.now() + BLOCK_AGAIN_MS;
    problems.wait.note(outcome.error);
    return streams;
  }

  async #readAvailable(followed: readonly FollowedChannel[]): Promise<Streams> {
    const [outcome] = await this.#parts.connection.send([this.#command(followed)]);
    return readStreams(outcome);
  }

  #command(followed: readonly FollowedChannel[], ...options: readonly (string | number)[]): ValkeyCommand {
    return [
      "xread",
      ...options,
      "COUNT",
      MAX_READ_ENTRIES,
      "STREAMS",
      this.#parts.wakeKey,
      ...followed.map(({ channel }) => channel.key),
      this.#wakeId,
      ...followed.map(({ lastId }) => lastId),
    ];
  }

  /** Adds the entries of a reply to the undelivered ones. @returns their bytes. */
  #take(streams: Streams, undelivered: Undelivered): number {
    let bytes = 0;
    for (const [key, stored] of streams) {
      const followed = this.#followed.get(key);
      if (key === this.#parts.wakeKey) this.#wakeId = stored.at(-1)?.[0] ?? this.#wakeId;
      else if (followed !== undefined) {
        const entries = followed.take(stored);
        if (!followed.isPlaced) this.#isDisplaced = true;
        if (entries.length === 0) continue;
        for (const entry of entries) bytes += deliveredBytes(entry);
        const earlier = undelivered.get(followed);
        if (earlier === undefined) undelivered.set(followed, entries);
        else earlier.push(...entries);
      }
    }
    return bytes;
  }

  /** Delivers in pieces, one per turn of the event loop. At the end of a turn, readers pass on what they received. */
  async #deliver(entriesByChannel: Undelivered): Promise<void> {
    let undelivered: readonly (readonly [FollowedChannel, readonly MeasuredEntry[]])[] = [
      ...entriesByChannel,
    ];
    while (undelivered.length > 0 && !this.#isClosed) {
      const later: (readonly [FollowedChannel, readonly MeasuredEntry[]])[] = [];
      for (const [followed, entries] of undelivered) {
        const count = countWithin(entries, this.#maxDeliveryBytes(followed));
        followed.deliver(count < entries.length ? entries.slice(0, count) : entries);
        this.#trimIfDue(followed);
        if (count < entries.length) later.push([followed, entries.slice(count)]);
      }
      undelivered = later;
      await nextTurn();
    }
  }

  #maxDeliveryBytes(followed: FollowedChannel | undefined): number {
    return this.#parts.retentionOf(followed?.channel.name ?? "").retainedBytes * DELIVERY_SHARE;
  }

  #trimIfDue(followed: FollowedChannel): void {
    const { retentionOf, channels, commands } = this.#parts;
    if (followed.untrimmedBytes < retentionOf(followed.channel.name).retainedBytes * TRIM_SHARE) return;
    followed.noteTrimmed();
    void channels.open(commands, [followed]);
  }
}

/** @throws if there is no reply, or if the server refused the read. */
function readStreams(outcome: CommandOutcome | undefined): Streams {
  if (outcome?.kind !== "answered") throw outcome?.error ?? new Error("Valkey has not answered.");
  // The reply of XREAD.
  return (outcome.reply as Streams | null) ?? [];
}
