import { HubChannel } from "./hubChannel.ts";
import type { HubChannelParts } from "./hubChannel.ts";
import type { Joined, JoinRequest } from "./cursor.ts";
import type { Appended, NewMessage } from "../log/log.ts";
import { packRecord } from "../log/record.ts";
import type { Dialect } from "../wire/messages.ts";

export interface HubParts extends HubChannelParts {
  /** Maximum number of channels at a time. */
  readonly maxChannels: number;
}

/** A message. Its subscribers receive the name of its `publisher`, too. */
export interface PublishRequest extends Omit<NewMessage, "record"> {
  /** The published value as canonical JSON. */
  readonly payload: string;
}

/** The task has the maximum number of channels, and all of them have readers. */
export class TooManyChannelsError extends Error {
  override readonly name = "TooManyChannelsError";
}

/**
 * The channels of a task. It publishes to the log, and follows each channel from its first reader until some seconds after its
 * last one. It has no knowledge of sockets.
 */
export class Hub {
  readonly #parts: HubParts;
  readonly #channels = new Map<string, HubChannel>();
  /** Publishes since the last flush. */
  #round: Round = { pending: 0 };
  /** Resolves when the publishes of all earlier rounds have a result. */
  #earlier: Promise<unknown> = Promise.resolve();

  constructor(parts: HubParts) {
    this.#parts = parts;
  }

  /** Number of channels that are followed. */
  get channels(): number {
    return this.#channels.size;
  }

  /** Bytes that the slowest reader of all channels has not read. */
  get slowestLagBytes(): number {
    return Math.max(0, ...Array.from(this.#channels.values(), (channel) => channel.slowestLagBytes));
  }

  /**
   * Publishes a message with its publisher, which is the subject of a token. Messages of a channel keep the order of the calls.
   * @returns the position at which the log has stored it; no promise if the log answers at once.
   * @throws {IdInUseError} by rejection, if another message has this id.
   * @throws by rejection, if the message was not stored, or may not have been.
   */
  publish({ payload, ...message }: PublishRequest): Appended | Promise<Appended> {
    const record = packRecord({ payload, from: message.publisher });
    const appending = this.#parts.log.append({ ...message, record });
    // The log has delivered the entry already.
    if (!(appending instanceof Promise)) return appending;
    const round = this.#round;
    round.pending += 1;
    return appending.then(
      (appended) => {
        this.#channels.get(message.channel)?.noteAppended(appended);
        noteResult(round);
        return appended;
      },
      (error: unknown) => {
        noteResult(round);
        throw error;
      },
    );
  }

  /**
   * Joins a channel. The cursor reads all messages that are published after the promise has resolved, and no earlier messages
   * except those that this task has not read yet, and those that the start includes.
   * @throws {TooManyChannelsError} if the task has the maximum number of channels, and all of them have readers.
   * @throws the reason of the signal, if it is aborted first.
   * @throws if the log cannot be read.
   */
  async join(request: JoinRequest): Promise<Joined> {
    const { channel: name, dialect } = request;
    const channel = this.#channels.get(name) ?? this.#open(name, dialect);
    return channel.join(request);
  }

  /** Resolves when every earlier publish can be read by the cursors, or has failed. */
  async flush(): Promise<void> {
    const round = this.#round;
    this.#round = { pending: 0 };
    if (round.pending > 0) {
      const complete = new Promise<void>((resolve) => (round.onComplete = resolve));
      this.#earlier = Promise.all([this.#earlier, complete]);
    }
    await this.#earlier;
    await Promise.all(Array.from(this.#channels.values(), (channel) => channel.waitUntilDelivered()));
  }

  /** Ends reading the log. Cursors keep their positions. Idempotent. */
  close(): void {
    for (const channel of this.#channels.values()) channel.stop();
    this.#channels.clear();
  }

  #open(name: string, dialect: Dialect): HubChannel {
    this.#makeRoom();
    const channel = new HubChannel(name, dialect, this.#parts, () => {
      this.#end(name, channel);
    });
    channel.follow();
    this.#channels.set(name, channel);
    return channel;
  }

  #end(name: string, channel: HubChannel): void {
    channel.stop();
    if (this.#channels.get(name) === channel) this.#channels.delete(name);
  }

  /** Ends the channel that has been without readers for the longest time, if there are as many as possible. */
  #makeRoom(): void {
    if (this.#channels.size < this.#parts.maxChannels) return;
    let longest: readonly [name: string, channel: HubChannel] | undefined;
    let since = Infinity;
    for (const entry of this.#channels) {
      const { unusedSince } = entry[1];
      if (unusedSince >= since) continue;
      since = unusedSince;
      longest = entry;
    }
    if (longest === undefined) {
      throw new TooManyChannelsError(`There are ${this.#channels.size} channels already.`);
    }
    this.#end(...longest);
  }
}

/** The publishes between two flushes. Their results arrive in any order. */
interface Round {
  pending: number;
  onComplete?: () => void;
}

function noteResult(round: Round): void {
  round.pending -= 1;
  if (round.pending === 0) round.onComplete?.();
}
