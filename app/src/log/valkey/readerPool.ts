import type { LogReader } from "../log.ts";
import type { ValkeyChannel } from "./valkeyChannel.ts";
import type { OpenedChannel } from "./valkeyChannels.ts";
import type { ValkeyChannelReader } from "./channelReader.ts";

/**
 * Channels per reader. Every read contains the keys of all of them, about 60 bytes each. With 50 channels, a read is 3 KB,
 * and ElastiCache Serverless bills three processing units for it.
 */
const CHANNELS_PER_READER = 50;

/**
 * Maximum number of readers. Each has a connection. When all readers have {@link CHANNELS_PER_READER}, they take more
 * channels. Even 65,000 channels per task are then within the number of keys that a command can have.
 */
const MAX_READERS = 40;

/** Distributes the channels of a task among readers. */
export class ValkeyReaderPool {
  readonly #start: (number: number) => ValkeyChannelReader;
  readonly #readers: [ValkeyChannelReader, ...ValkeyChannelReader[]];

  /** @param start starts a reader. Its number counts from 0. */
  constructor(start: (number: number) => ValkeyChannelReader) {
    this.#start = start;
    // Connects before the first subscription, which would otherwise wait for the connection.
    this.#readers = [start(0)];
  }

  /** @returns its undo. */
  subscribe(channel: ValkeyChannel, logReader: LogReader): () => void {
    const reader = this.#findReader(channel) ?? this.#findRoom();
    return reader.subscribe(channel, logReader);
  }

  isFollowing(channel: ValkeyChannel): boolean {
    return this.#findReader(channel) !== undefined;
  }

  /** Passes the state of a channel to its reader, which may have to continue in another epoch. */
  noteOpened(channel: ValkeyChannel, opened: OpenedChannel): void {
    this.#findReader(channel)?.noteOpened(channel, opened);
  }

  /** Ends all subscriptions at once. */
  async close(): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.close()));
  }

  #findReader(channel: ValkeyChannel): ValkeyChannelReader | undefined {
    return this.#readers.find((reader) => reader.isFollowing(channel));
  }

  #findRoom(): ValkeyChannelReader {
    // The first one: readers without channels send no commands.
    const withRoom = this.#readers.find(({ channels }) => channels < CHANNELS_PER_READER);
    if (withRoom !== undefined) return withRoom;
    if (this.#readers.length === MAX_READERS) {
      return this.#readers.reduce((a, b) => (b.channels < a.channels ? b : a));
    }
    const reader = this.#start(this.#readers.length);
    this.#readers.push(reader);
    return reader;
  }
}
