/**
 * Fan-out without sockets. The hub follows the log of each channel that has readers, encodes each message once
 * as a ready WebSocket frame, and keeps the recent frames for all readers together. A reader is a place among
 * them: it has no queue of its own, so what a slow one costs does not grow.
 */
import type { Logger } from "pino";

import { FrameLog } from "./frameLog.ts";
import type { FramePlace, Slice } from "./frameLog.ts";
import type { Appended, LogEntry, LogPosition, LogReader, MessageLog } from "./log/log.ts";
import { broadcastText, encode, jsonOf } from "./protocol.ts";
import type { Dialect, Gap } from "./protocol.ts";

/** Readers are told in the middle of a turn rather than let more than this share of the window be news to them. */
const URGENT_SHARE = 0.5;

/** How long a channel without readers is kept: a client that comes back at once finds it as it was. */
const LINGER_MS = 10_000;

export interface HubParts {
  readonly log: MessageLog;
  /** Most frames that are kept per channel and dialect, in bytes. */
  readonly retainedBytes: number;
  /** Most channels that are followed at once. */
  readonly maxChannels: number;
  /** Told to clients when a channel begins anew, in seconds. */
  readonly heartbeatSeconds: number;
  readonly logger: Logger;
  /** Told the time from the moment when a batch was there until it was with every reader that took it, in seconds. */
  readonly onFannedOut?: (seconds: number) => void;
  /** @default LINGER_MS */
  readonly lingerMs?: number;
}

/** The last message that a client has seen. */
export interface ResumePoint {
  readonly epoch: string;
  readonly offset: number;
}

export interface Listener {
  /**
   * There is news: frames, or the cursor is no longer `open`. Called at most once per turn of the event loop in quiet
   * times. It must not throw.
   */
  onReadable(): void;
}

export interface Joined {
  readonly cursor: Cursor;
  readonly epoch: string;
  /** Offset of the last message that the cursor does not see. */
  readonly offset: number;
  /** What is missing, where the client could not be given all since its resume point. */
  readonly gap: Gap | undefined;
}

/** A further channel cannot be followed. */
export class TooManyChannelsError extends Error {
  override readonly name = "TooManyChannelsError";
}

/**
 * `open`: there is more to read, now or later. `lost`: the next frame is no longer retained. `broken`: the log
 * failed, and nothing more will arrive.
 */
export type CursorState = "open" | "lost" | "broken";

export interface Cursor {
  readonly state: CursorState;
  /** Whether all that is there has been read. */
  readonly atEnd: boolean;
  /** Takes the next frames, in order. `undefined` at the end of the channel, and where the cursor is lost. */
  read(): Slice | undefined;
  /** Leaves the channel. Idempotent. */
  close(): void;
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
   * Publishes a value, given as canonical JSON. Messages of a channel keep the order of the calls.
   * @param id keeps the message from being stored twice.
   * @returns where the log has stored it, at once where the log knows at once.
   * @throws by rejection, where the log has not, or does not know.
   */
  publish(name: string, json: string, id?: string): Appended | Promise<Appended> {
    const appending = this.#parts.log.append(name, json, id);
    // Its readers have been given the entry already.
    if (!(appending instanceof Promise)) return appending;
    const round = this.#round;
    round.unanswered += 1;
    return appending.then(
      (appended) => {
        this.#channels.get(name)?.expect(appended);
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
   * Joins a channel. The cursor sees what is published after the promise has resolved, and nothing earlier; with a
   * resume point, what came after that.
   * @throws {TooManyChannelsError} where the channel would be one too many.
   * @throws where the log cannot be read.
   */
  join(name: string, dialect: Dialect, resume: ResumePoint | undefined, listener: Listener): Promise<Joined> {
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      if (this.#channels.size >= this.#parts.maxChannels) {
        return Promise.reject(new TooManyChannelsError(`There are ${this.#channels.size} channels already.`));
      }
      channel = this.#open(name, dialect);
    }
    return channel.join(dialect, resume, listener);
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
    const channel = new Channel(name, dialect, this.#parts, () => {
      channel.stop();
      if (this.#channels.get(name) === channel) this.#channels.delete(name);
    });
    this.#channels.set(name, channel);
    channel.follow();
    return channel;
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

/** The frames of a channel in one dialect. */
interface Spoken {
  readonly dialect: Dialect;
  readonly frames: FrameLog;
  readers: number;
}

class Channel implements LogReader {
  readonly #name: string;
  readonly #parts: HubParts;
  readonly #onOver: () => void;
  readonly #cursors = new Set<ChannelCursor>();
  /** One for each dialect that is spoken here, and never none: they hold what is retained. */
  #spoken: readonly [Spoken, ...Spoken[]];
  /** Resolves when all is read that was there when the channel was opened. */
  readonly #live = Promise.withResolvers<undefined>();
  #isLive = false;
  #stopFollowing: () => void = () => undefined;
  #broken = false;
  #joining = 0;
  /** The end of what has been read. */
  #epoch = "";
  #next = 1;
  /** Where the channel ended when the reading began. */
  #liveAt = 0;
  /** Largest offset that the log has acknowledged to this process, in this epoch. */
  #expected = 0;
  #onAdvance: (() => void)[] = [];
  /** Bytes that arrived since the readers were last told, and when the first of them did. */
  #news = 0;
  #newsSince = 0;
  #telling: NodeJS.Immediate | undefined;
  #lingering: NodeJS.Timeout | undefined;

  /** @param onOver told when nobody needs the channel any more, or it broke. */
  constructor(name: string, dialect: Dialect, parts: HubParts, onOver: () => void) {
    this.#name = name;
    this.#parts = parts;
    this.#onOver = onOver;
    this.#spoken = [{ dialect, frames: new FrameLog(this.#next, parts.retainedBytes), readers: 0 }];
    // Whoever joins handles the rejection; where nobody is left to, it is no news either.
    this.#live.promise.catch(() => undefined);
  }

  get broken(): boolean {
    return this.#broken;
  }

  get slowestLagBytes(): number {
    let slowest = 0;
    for (const cursor of this.#cursors) slowest = Math.max(slowest, cursor.lagBytes);
    return slowest;
  }

  follow(): void {
    const stop = this.#parts.log.subscribe(this.#name, this);
    if (this.#broken) stop();
    else this.#stopFollowing = stop;
  }

  stop(): void {
    this.#stopFollowing();
    clearImmediate(this.#telling);
    clearTimeout(this.#lingering);
  }

  async join(dialect: Dialect, resume: ResumePoint | undefined, listener: Listener): Promise<Joined> {
    this.#joining += 1;
    clearTimeout(this.#lingering);
    try {
      await this.#live.promise;
      if (resume !== undefined && (resume.epoch !== this.#epoch || resume.offset >= this.#next)) {
        await this.#catchUpWith(resume);
      }
      if (this.#broken) throw new Error("The message log failed.");
      return this.#enter(dialect, resume, listener);
    } finally {
      this.#joining -= 1;
      this.#lingerIfUnused();
    }
  }

  leave(cursor: ChannelCursor): void {
    if (!this.#cursors.delete(cursor)) return;
    cursor.spoken.readers -= 1;
    const [first, ...others] = this.#spoken.filter(({ readers }) => readers > 0);
    if (first !== undefined) this.#spoken = [first, ...others];
    this.#lingerIfUnused();
  }

  expect({ epoch, offset }: Appended): void {
    if (epoch === this.#epoch && offset > this.#expected) this.#expected = offset;
  }

  /** Resolves when every message that is acknowledged by now has come back from the log. */
  async delivered(): Promise<void> {
    const [epoch, expected] = [this.#epoch, this.#expected];
    while (!this.#broken && this.#epoch === epoch && this.#next <= expected) await this.#advance();
  }

  started(from: LogPosition, end: number): void {
    const before: LogPosition = { epoch: this.#epoch, next: this.#next };
    this.#epoch = from.epoch;
    this.#next = from.next;
    this.#liveAt = end;
    if (from.epoch !== before.epoch) this.#expected = 0;

    const notices = this.#isLive ? noticesOf(before, from, this.#parts.heartbeatSeconds) : [];
    for (const { dialect, frames } of this.#spoken)
      frames.restart(from.next, dialect === "resume" ? notices : []);
    if (this.#isLive) this.#tellSoon();
    this.#advanced();
  }

  entries(entries: readonly LogEntry[]): void {
    for (const { offset, payload } of entries) {
      this.#next = offset + 1;
      let bytes = 0;
      for (const { dialect, frames } of this.#spoken) {
        bytes = Math.max(bytes, frames.push(broadcastText(dialect, payload, offset)));
      }
      this.#news += bytes;
      this.#tellSoon();
      if (this.#news > this.#parts.retainedBytes * URGENT_SHARE) this.#tell();
    }
    this.#advanced();
  }

  failed(error: Error): void {
    this.#parts.logger.error({ err: error, channel: this.#name }, "channel lost");
    this.#broken = true;
    this.#live.reject(error);
    this.#onOver();
    this.#advanced();
    this.#tellSoon();
    this.#tell();
  }

  #enter(dialect: Dialect, resume: ResumePoint | undefined, listener: Listener): Joined {
    const spoken = this.#speak(dialect);
    const { first, next } = spoken.frames;
    let start = next;
    let gap: Gap | undefined;
    if (resume !== undefined) {
      const wanted = resume.offset + 1;
      if (resume.epoch !== this.#epoch) {
        start = first;
        gap = { epoch: resume.epoch, from: wanted };
      } else if (wanted < first) {
        start = first;
        gap = { epoch: resume.epoch, from: wanted, to: first - 1 };
      } else if (wanted > next) {
        // The log does not have what the client says it has seen.
        gap = { epoch: resume.epoch, from: next };
      } else {
        start = wanted;
      }
    }
    const cursor = new ChannelCursor(this, spoken, start, listener);
    spoken.readers += 1;
    this.#cursors.add(cursor);
    return { cursor, epoch: this.#epoch, offset: start - 1, gap };
  }

  /** A dialect that is spoken for the first time is translated from another one. */
  #speak(dialect: Dialect): Spoken {
    const known = this.#spoken.find((spoken) => spoken.dialect === dialect);
    if (known !== undefined) return known;

    const [other] = this.#spoken;
    let offset = other.frames.first;
    const frames = new FrameLog(offset, this.#parts.retainedBytes);
    for (const text of other.frames.texts()) {
      frames.push(broadcastText(dialect, jsonOf(other.dialect, text), offset));
      offset += 1;
    }
    const spoken: Spoken = { dialect, frames, readers: 0 };
    this.#spoken = [...this.#spoken, spoken];
    return spoken;
  }

  /** Another task may have shown a client what this one has not read yet: messages, or that the log began anew. */
  async #catchUpWith(resume: ResumePoint): Promise<void> {
    const known = this.#epoch;
    const end = await this.#parts.log.end(this.#name);
    while (!this.#broken && end.epoch !== known && this.#epoch === known) await this.#advance();
    if (end.epoch !== resume.epoch || end.next <= resume.offset) return;
    while (!this.#broken && this.#epoch === end.epoch && this.#next <= resume.offset) await this.#advance();
  }

  #advance(): Promise<void> {
    return new Promise((resolve) => this.#onAdvance.push(resolve));
  }

  #advanced(): void {
    if (!this.#isLive && this.#next >= this.#liveAt) {
      this.#isLive = true;
      this.#live.resolve(undefined);
    }
    if (this.#onAdvance.length === 0) return;
    for (const resolve of this.#onAdvance.splice(0)) resolve();
  }

  /** Once per turn: a burst becomes one write per socket. */
  #tellSoon(): void {
    if (this.#telling !== undefined) return;
    this.#newsSince = performance.now();
    this.#telling = setImmediate(this.#tell);
  }

  readonly #tell = (): void => {
    clearImmediate(this.#telling);
    this.#telling = undefined;
    this.#news = 0;
    for (const { listener } of this.#cursors) listener.onReadable();
    this.#parts.onFannedOut?.((performance.now() - this.#newsSince) / 1000);
  };

  #lingerIfUnused(): void {
    if (this.#cursors.size + this.#joining > 0 || this.#broken) return;
    clearTimeout(this.#lingering);
    this.#lingering = setTimeout(this.#onOver, this.#parts.lingerMs ?? LINGER_MS).unref();
  }
}

/** What tells clients that a log does not continue at the next offset. */
function noticesOf(before: LogPosition, from: LogPosition, heartbeat: number): readonly string[] {
  const { epoch, next } = from;
  const gap: Gap =
    epoch === before.epoch
      ? { epoch, from: before.next, to: next - 1 }
      : { epoch: before.epoch, from: before.next };
  return [encode({ connection: "ok", epoch, offset: next - 1, heartbeat }), encode({ gap })];
}

class ChannelCursor implements Cursor {
  readonly listener: Listener;
  readonly spoken: Spoken;
  readonly #channel: Channel;
  /** None when it is lost: a place that is no longer retained would hold on to all that came after it. */
  #place: FramePlace | undefined;

  constructor(channel: Channel, spoken: Spoken, start: number, listener: Listener) {
    this.#channel = channel;
    this.#place = spoken.frames.at(start);
    this.spoken = spoken;
    this.listener = listener;
  }

  get state(): CursorState {
    if (this.#place?.lost === true) this.#place = undefined;
    if (this.#place === undefined) return "lost";
    return this.#channel.broken ? "broken" : "open";
  }

  get atEnd(): boolean {
    return this.#place?.atEnd ?? true;
  }

  get lagBytes(): number {
    return this.#place?.lagBytes ?? 0;
  }

  read(): Slice | undefined {
    return this.#place?.read();
  }

  close(): void {
    this.#channel.leave(this);
    this.#place = undefined;
  }
}
