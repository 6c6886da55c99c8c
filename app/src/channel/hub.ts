import type { Appended, MessageLog, NewMessage } from "../log/log.ts";
import { packRecord } from "../log/record.ts";
import { MIB } from "../settings/units.ts";
import type { Joined, JoinRequest } from "./cursor.ts";
import { FrameCache } from "./frameCache.ts";
import { HubChannel } from "./hubChannel.ts";
import type { ChannelHub } from "./hubChannel.ts";
import { Lingering } from "./lingering.ts";

/** Minimum time for which a channel, or its frames in a dialect, is kept without readers: a client may reconnect. */
const LINGER_MS = 10_000;

export interface HubParts {
  readonly log: MessageLog;
  /** Maximum memory of the recent messages of all channels, in MiB. */
  readonly cacheMib: number;
  /** Maximum number of channels at a time. */
  readonly maxChannels: number;
  /** Called once per turn with new messages, with the seconds from the first one until every reader has been notified. */
  readonly onFannedOut?: (seconds: number) => void;
  /** @default LINGER_MS */
  readonly lingerMs?: number;
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
export class Hub implements ChannelHub {
  readonly log: MessageLog;
  readonly cache: FrameCache;
  readonly #parts: HubParts;
  readonly #channels = new Map<string, HubChannel>();
  /** Channels that have had no reader of some dialect for a while. */
  readonly #unread: Lingering<HubChannel>;
  /** Channels whose readers are notified at the end of this turn. */
  #changed: HubChannel[] = [];
  /** Bytes that arrived since the readers were notified, and when the first of them arrived. */
  #newBytes = 0;
  #newSince = 0;
  #notifyImmediate: NodeJS.Immediate | undefined;
  /** Publishes since the last flush. */
  #round: Round = { pending: 0 };
  /** Resolves when the publishes of all earlier rounds have a result. */
  #earlier: Promise<unknown> = Promise.resolve();

  constructor(parts: HubParts) {
    const { log, cacheMib, lingerMs = LINGER_MS } = parts;
    this.#parts = parts;
    this.log = log;
    this.cache = new FrameCache({ log, maxBytes: cacheMib * MIB });
    this.#unread = new Lingering(lingerMs, (channel) => {
      if (channel.isUsed) channel.dropUnread();
      else this.#end(channel);
    });
  }

  /** Number of channels that are followed. */
  get channels(): number {
    return this.#channels.size;
  }

  /** Bytes in memory that the slowest reader of all channels has not read. It costs a step per reader. */
  get slowestLagBytes(): number {
    let slowest = 0;
    for (const channel of this.#channels.values()) slowest = Math.max(slowest, channel.slowestLagBytes);
    return slowest;
  }

  /**
   * Publishes a message with its publisher, which is the subject of a token. Messages of a channel keep the order of the calls.
   * @returns the position at which the log has stored it; no promise if the log answers at once.
   * @throws {IdInUseError} by rejection, if another message has this id.
   * @throws by rejection, if the message was not stored, or may not have been.
   */
  publish({ channel, payload, id, publisher, user, source }: PublishRequest): Appended | Promise<Appended> {
    const record = packRecord({ payload, from: publisher });
    const appending = this.log.append({ channel, record, id, publisher, user, source });
    // The log has delivered the entry already.
    if (!(appending instanceof Promise)) return appending;
    const round = this.#round;
    round.pending += 1;
    return appending.then(
      (appended) => {
        this.#channels.get(channel)?.noteAppended(appended);
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
   * except those that this task has not read yet. With a resume point or a number of messages, it reads earlier messages first.
   * @throws {TooManyChannelsError} if the task has the maximum number of channels, and all of them have readers.
   * @throws the reason of the signal, if it is aborted first.
   * @throws if the log cannot be read.
   */
  async join(request: JoinRequest): Promise<Joined> {
    const channel = this.#channels.get(request.channel) ?? this.#open(request.channel);
    return channel.join(request);
  }

  /**
   * Joins the end of a channel without a promise: a burst of subscribes would leave many of them to the garbage collector.
   * @returns `undefined` if that needs {@link join}, because it waits or fails.
   */
  joinNow({ channel: name, dialect, start, listener }: JoinRequest): Joined | undefined {
    if (start !== "end") return undefined;
    try {
      const channel = this.#channels.get(name) ?? this.#open(name);
      return channel.joinNow(dialect, listener);
    } catch {
      return undefined;
    }
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
    const behind = [...this.#channels.values()].filter(({ isBehind }) => isBehind);
    await Promise.all(behind.map((channel) => channel.waitUntilDelivered()));
  }

  /** Ends following the log. Cursors keep their positions. Idempotent. */
  close(): void {
    clearImmediate(this.#notifyImmediate);
    this.#unread.clear();
    this.cache.pageReader.close();
    for (const channel of this.#channels.values()) channel.stop();
    this.#channels.clear();
  }

  noteUnread(channel: HubChannel): void {
    if (this.#channels.get(channel.name) === channel) this.#unread.add(channel);
  }

  scheduleNotify(channel: HubChannel, bytes: number): void {
    if (!channel.isChanged) {
      channel.isChanged = true;
      this.#changed.push(channel);
    }
    if (this.#notifyImmediate === undefined) {
      this.#newSince = performance.now();
      // Once per turn of the event loop, so that a burst is one write per socket.
      this.#notifyImmediate = setImmediate(this.#notify);
    }
    this.#newBytes += bytes;
    if (this.#newBytes > this.cache.urgentBytes) this.#notify();
  }

  readonly #notify = (): void => {
    clearImmediate(this.#notifyImmediate);
    this.#notifyImmediate = undefined;
    this.#newBytes = 0;
    const changed = this.#changed;
    this.#changed = [];
    for (const channel of changed) {
      channel.isChanged = false;
      channel.notifyReaders();
    }
    this.#parts.onFannedOut?.((performance.now() - this.#newSince) / 1000);
  };

  #open(name: string): HubChannel {
    this.#makeRoom();
    const channel = new HubChannel(name, this);
    channel.follow();
    this.#channels.set(name, channel);
    return channel;
  }

  #end(channel: HubChannel): void {
    channel.stop();
    channel.dropUnread();
    if (this.#channels.get(channel.name) === channel) this.#channels.delete(channel.name);
  }

  /** Ends the channel that has been without readers for the longest time, if there are as many as possible. */
  #makeRoom(): void {
    if (this.#channels.size < this.#parts.maxChannels) return;
    for (const channel of this.#unread.oldestFirst()) {
      this.#unread.delete(channel);
      if (!channel.isUsed) {
        this.#end(channel);
        return;
      }
      channel.dropUnread();
    }
    throw new TooManyChannelsError(`There are ${this.#channels.size} channels already.`);
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
