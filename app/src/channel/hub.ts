/** The channels that a task follows: each from its first reader until a while after its last. */
import { Channel } from "./channel.ts";
import type { ChannelParts, Joined, Listener, ResumePoint } from "./channel.ts";
import type { Appended, NewMessage } from "../log/log.ts";
import type { Dialect } from "../wire/messages.ts";

export interface HubParts extends ChannelParts {
  /** Most channels that are followed at once. */
  readonly maxChannels: number;
}

/** A further channel cannot be followed. */
export class TooManyChannelsError extends Error {
  override readonly name = "TooManyChannelsError";
}

export class Hub {
  readonly #parts: HubParts;
  readonly #channels = new Map<string, Channel>();
  /** Of the publishes since the last flush. */
  #round: Round = { unanswered: 0 };
  /** Resolves when all of the rounds before are answered. */
  #earlier: Promise<unknown> = Promise.resolve();

  constructor(parts: HubParts) {
    this.#parts = parts;
  }

  /** Channels that are followed. */
  get channels(): number {
    return this.#channels.size;
  }

  /** How far the slowest reader is behind, in bytes. */
  get slowestLagBytes(): number {
    return Math.max(0, ...Array.from(this.#channels.values(), (channel) => channel.slowestLagBytes));
  }

  /**
   * Publishes a message. Messages of a channel keep the order of the calls.
   * @returns the position at which the log has stored it; no promise if the log answers at once.
   * @throws {IdInUseError} by rejection, if another message has this id.
   * @throws by rejection, if the message was not stored, or may not have been.
   */
  publish(message: NewMessage): Appended | Promise<Appended> {
    const appending = this.#parts.log.append(message);
    // Its readers have been given the entry already.
    if (!(appending instanceof Promise)) return appending;
    const round = this.#round;
    round.unanswered += 1;
    return appending.then(
      (appended) => {
        this.#channels.get(message.channel)?.expect(appended);
        answer(round);
        return appended;
      },
      (error: unknown) => {
        answer(round);
        throw error;
      },
    );
  }

  /**
   * Joins a channel. The cursor sees what is published after the promise has resolved, and of what was published
   * earlier at most what this task had not read yet; with a resume point, what came after that.
   * @throws {TooManyChannelsError} where the channel would be one too many.
   * @throws the reason of the signal, when that is aborted first.
   * @throws where the log cannot be read.
   */
  async join(
    name: string,
    dialect: Dialect,
    resume: ResumePoint | undefined,
    listener: Listener,
    signal?: AbortSignal,
  ): Promise<Joined> {
    const channel = this.#channels.get(name) ?? this.#open(name, dialect);
    return channel.join(dialect, resume, listener, signal);
  }

  /** Resolves when all that was published so far is readable, or has failed. */
  async flush(): Promise<void> {
    const round = this.#round;
    this.#round = { unanswered: 0 };
    if (round.unanswered > 0) {
      const answered = new Promise<void>((resolve) => (round.onAnswered = resolve));
      this.#earlier = Promise.all([this.#earlier, answered]);
    }
    await this.#earlier;
    await Promise.all(Array.from(this.#channels.values(), (channel) => channel.delivered()));
  }

  /** Stops following the log. Cursors stay where they are. Idempotent. */
  close(): void {
    for (const channel of this.#channels.values()) channel.stop();
    this.#channels.clear();
  }

  #open(name: string, dialect: Dialect): Channel {
    this.#makeRoom();
    const channel = new Channel(name, dialect, this.#parts, () => {
      this.#end(name, channel);
    });
    channel.follow();
    this.#channels.set(name, channel);
    return channel;
  }

  #end(name: string, channel: Channel): void {
    channel.stop();
    if (this.#channels.get(name) === channel) this.#channels.delete(name);
  }

  /** Where there are as many channels as there may be, the one that has been without readers for longest goes. */
  #makeRoom(): void {
    if (this.#channels.size < this.#parts.maxChannels) return;
    let longest: readonly [name: string, channel: Channel] | undefined;
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

/** The publishes between two flushes: they are answered in any order. */
interface Round {
  unanswered: number;
  onAnswered?: () => void;
}

function answer(round: Round): void {
  round.unanswered -= 1;
  if (round.unanswered === 0) round.onAnswered?.();
}
