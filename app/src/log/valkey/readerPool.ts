import type { LogReader } from "../log.ts";
import type { ValkeyChannel } from "./valkeyChannel.ts";
import type { OpenedChannel } from "./valkeyChannels.ts";
import type { ValkeyChannelReader } from "./channelReader.ts";

/**
 * Channels of one reader. Each of its reads names all of them, some 60 bytes each, whichever has news: with so many, that
 * is three kilobytes, and as many processing units of ElastiCache Serverless.
 */
const CHANNELS_PER_READER = 50;

/** Each has a connection. When all have their channels, they take more: with 65,000, still fewer than one command may name. */
const MAX_READERS = 40;

/** Shares the channels of a task out among readers. */
export class ValkeyReaderPool {
  readonly #start: (number: number) => ValkeyChannelReader;
  readonly #readers: [ValkeyChannelReader, ...ValkeyChannelReader[]];

  /** @param start starts the reader of this number, which counts from 0. */
  constructor(start: (number: number) => ValkeyChannelReader) {
    this.#start = start;
    // There before anybody needs it: whoever came first would wait for its connection.
    this.#readers = [start(0)];
  }

  subscribe(channel: ValkeyChannel, logReader: LogReader): () => void {
    const reader = this.#readerOf(channel) ?? this.#readerWithRoom();
    return reader.subscribe(channel, logReader);
  }

  follows(channel: ValkeyChannel): boolean {
    return this.#readerOf(channel) !== undefined;
  }

  /** A channel was opened for another reason; its readers may have to know. */
  noteOpened(channel: ValkeyChannel, opened: OpenedChannel): void {
    this.#readerOf(channel)?.noteOpened(channel, opened);
  }

  /** Ends all subscriptions at once. */
  async close(): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.close()));
  }

  #readerOf(channel: ValkeyChannel): ValkeyChannelReader | undefined {
    return this.#readers.find((reader) => reader.follows(channel));
  }

  #readerWithRoom(): ValkeyChannelReader {
    // The first: those without channels sleep, and cost nothing.
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
