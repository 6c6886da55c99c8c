/**
 * One channel as a task knows it: it follows the channel's log, encodes each message once as a ready WebSocket frame, and
 * keeps the recent frames for all readers together. A reader is a place among them: it has no queue of its own, so what
 * a slow one costs does not grow.
 */
import { Condition } from "./condition.ts";
import { FrameLog } from "./frameLog.ts";
import type { FramePlace, Slice } from "./frameLog.ts";
import type { Appended, LogEntry, LogPosition, LogReader, MessageLog } from "../log/log.ts";
import { encodeBroadcast, encode, decodeBroadcast, MAX_ENVELOPE_BYTES } from "../wire/encode.ts";
import type { Dialect, Gap } from "../wire/messages.ts";

/** Readers are told in the middle of a turn rather than let more than this share of the window be news to them. */
const URGENT_SHARE = 0.5;

/** How long what has no readers any more is kept, a channel or its frames in a dialect: for a client that comes back at once. */
const LINGER_MS = 10_000;

/** The epoch of a channel that has not been read yet. */
const UNKNOWN = "";

export interface ChannelParts {
  readonly log: MessageLog;
  /** Messages, and bytes of their canonical text, that are kept per channel at least: whichever is reached first. */
  readonly retainedMessages: number;
  readonly retainedBytes: number;
  /** Told to clients when a channel begins anew, in seconds. */
  readonly heartbeatSeconds: number;
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
   * There is news: frames, or the cursor is lost. Called at most once per turn of the event loop in quiet
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

export interface Cursor {
  /** Whether the next frame is no longer retained. Otherwise there is more to read, now or later. */
  readonly lost: boolean;
  /** Takes the next frames, in order. `undefined` at the end of the channel, and where the cursor is lost. */
  read(): Slice | undefined;
  /** Leaves the channel. Idempotent. */
  close(): void;
}

/** The frames of a channel in one dialect. */
interface Spoken {
  readonly dialect: Dialect;
  readonly frames: FrameLog;
  readers: number;
}

export class Channel implements LogReader {
  readonly #name: string;
  readonly #parts: ChannelParts;
  readonly #onUnused: () => void;
  /** Frames that are kept per dialect at least, in bytes. */
  readonly #window: number;
  readonly #cursors = new Set<ChannelCursor>();
  /** One for each dialect that is spoken here, and never none: they hold what is retained. */
  #spoken: readonly [Spoken, ...Spoken[]];
  #stopFollowing: () => void = () => undefined;
  #joining = 0;
  /** The end of what has been read. */
  #epoch = UNKNOWN;
  #next = 1;
  /** Told whenever that moves. */
  readonly #moved = new Condition();
  /** Where the channel ended when the reading began, or began anew. */
  #liveAt = Infinity;
  /** Largest offset that the log has acknowledged to this process, in this epoch. */
  #expected = 0;
  /** Bytes that arrived since the readers were last told, and when the first of them did. */
  #news = 0;
  #newsSince = 0;
  #telling: NodeJS.Immediate | undefined;
  /** When somebody who needed it last went, on the clock of `performance.now()`. */
  #leftAt = 0;
  #lingering: NodeJS.Timeout | undefined;

  /** @param onUnused told when nobody has needed the channel for a while. */
  constructor(name: string, dialect: Dialect, parts: ChannelParts, onUnused: () => void) {
    this.#name = name;
    this.#parts = parts;
    this.#onUnused = onUnused;
    this.#window = parts.retainedBytes + MAX_ENVELOPE_BYTES * parts.retainedMessages;
    this.#spoken = [{ dialect, frames: new FrameLog(this.#next, this.#window), readers: 0 }];
  }

  /** Since when nobody needs it; `Infinity` while somebody does. */
  get unusedSince(): number {
    return this.#isUsed ? Infinity : this.#leftAt;
  }

  get slowestLagBytes(): number {
    let slowest = 0;
    for (const cursor of this.#cursors) slowest = Math.max(slowest, cursor.lagBytes);
    return slowest;
  }

  /** @throws where the log is closed. */
  follow(): void {
    this.#stopFollowing = this.#parts.log.subscribe(this.#name, this);
  }

  stop(): void {
    this.#stopFollowing();
    clearImmediate(this.#telling);
    clearTimeout(this.#lingering);
  }

  async join(
    dialect: Dialect,
    resume: ResumePoint | undefined,
    listener: Listener,
    signal: AbortSignal | undefined,
  ): Promise<Joined> {
    this.#joining += 1;
    try {
      await this.#moved.until(this.#isLive, signal);
      if (resume !== undefined && (resume.epoch !== this.#epoch || resume.offset >= this.#next)) {
        await this.#catchUpWith(resume, signal);
      }
      return this.#enter(dialect, resume, listener);
    } finally {
      this.#joining -= 1;
      if (!this.#isUsed) this.#linger();
    }
  }

  leave(cursor: ChannelCursor): void {
    if (!this.#cursors.delete(cursor)) return;
    cursor.spoken.readers -= 1;
    if (cursor.spoken.readers === 0) this.#linger();
  }

  expect({ epoch, offset }: Appended): void {
    if (epoch === this.#epoch && offset > this.#expected) this.#expected = offset;
  }

  /** Resolves when every message that is acknowledged by now has come back from the log. */
  async delivered(): Promise<void> {
    const [epoch, expected] = [this.#epoch, this.#expected];
    await this.#moved.until(() => this.#epoch !== epoch || this.#next > expected);
  }

  started(from: LogPosition, end: number): void {
    const before: LogPosition = { epoch: this.#epoch, next: this.#next };
    const isNewLife = from.epoch !== before.epoch;
    this.#epoch = from.epoch;
    this.#next = from.next;
    this.#liveAt = end;
    if (isNewLife) this.#expected = 0;

    for (const { dialect, frames } of this.#spoken) {
      const notices = this.#noticesOf(dialect, before, from);
      if (isNewLife) frames.restart(from.next, notices);
      else frames.skipTo(from.next, notices);
    }
    if (this.#cursors.size > 0) this.#tellSoon();
    this.#moved.notify();
  }

  entries(entries: readonly LogEntry[]): void {
    for (const { offset, payload } of entries) {
      this.#next = offset + 1;
      let bytes = 0;
      for (const { dialect, frames } of this.#spoken) {
        bytes = Math.max(bytes, frames.push(encodeBroadcast(dialect, payload, offset)));
      }
      this.#news += bytes;
      this.#tellSoon();
      if (this.#news > this.#window * URGENT_SHARE) this.#tell();
    }
    this.#moved.notify();
  }

  #enter(dialect: Dialect, resume: ResumePoint | undefined, listener: Listener): Joined {
    const spoken = this.#speak(dialect);
    const { frames } = spoken;
    let start = frames.next;
    let gap: Gap | undefined;
    if (resume !== undefined) {
      const wanted = resume.offset + 1;
      if (resume.epoch !== this.#epoch) {
        start = frames.first;
        gap = { epoch: resume.epoch, from: Math.min(wanted, Number.MAX_SAFE_INTEGER) };
      } else if (wanted > frames.next) {
        // The log does not have what the client says it has seen.
        gap = { epoch: resume.epoch, from: frames.next };
      } else {
        start = frames.nearest(wanted);
        if (start > wanted) gap = { epoch: resume.epoch, from: wanted, to: start - 1 };
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

    const other = this.#spoken[0];
    const frames = new FrameLog(other.frames.first, this.#window);
    const epoch = this.#epoch;
    const goOnAt = (next: number): void => {
      if (next !== frames.next) {
        frames.skipTo(next, this.#noticesOf(dialect, { epoch, next: frames.next }, { epoch, next }));
      }
    };
    for (const { offset, text } of other.frames.messages()) {
      goOnAt(offset);
      frames.push(encodeBroadcast(dialect, decodeBroadcast(other.dialect, text), offset));
    }
    goOnAt(other.frames.next);
    const spoken: Spoken = { dialect, frames, readers: 0 };
    this.#spoken = [...this.#spoken, spoken];
    return spoken;
  }

  /** Tells clients that the log does not continue at the next offset; plain ones know no offsets. */
  #noticesOf(dialect: Dialect, before: LogPosition, from: LogPosition): readonly string[] {
    if (dialect === "plain" || before.epoch === UNKNOWN) return [];
    const { epoch, next } = from;
    const gap: Gap =
      epoch === before.epoch
        ? { epoch, from: before.next, to: next - 1 }
        : { epoch: before.epoch, from: before.next };
    const { heartbeatSeconds: heartbeat } = this.#parts;
    return [encode({ connection: "ok", epoch, offset: next - 1, heartbeat }), encode({ gap })];
  }

  /** Another task may have shown a client what this one has not read yet: messages, or that the log began anew. */
  async #catchUpWith(resume: ResumePoint, signal: AbortSignal | undefined): Promise<void> {
    const known = this.#epoch;
    const end = await this.#parts.log.end(this.#name);
    const isAhead = end.epoch === resume.epoch && end.next > resume.offset;
    await this.#moved.until(() => {
      if (!this.#isLive()) return false;
      if (this.#epoch !== end.epoch) return this.#epoch !== known;
      return !isAhead || this.#next > resume.offset;
    }, signal);
  }

  /** Whether all is read that was there when the reading began. */
  readonly #isLive = (): boolean => this.#next >= this.#liveAt;

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

  get #isUsed(): boolean {
    return this.#cursors.size + this.#joining > 0;
  }

  #linger(): void {
    this.#leftAt = performance.now();
    clearTimeout(this.#lingering);
    this.#lingering = setTimeout(this.#forget, this.#parts.lingerMs ?? LINGER_MS).unref();
  }

  /** Drops what nobody has come back for. */
  readonly #forget = (): void => {
    if (!this.#isUsed) {
      this.#onUnused();
      return;
    }
    const [first, ...others] = this.#spoken.filter(({ readers }) => readers > 0);
    if (first !== undefined) this.#spoken = [first, ...others];
  };
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

  get lost(): boolean {
    if (this.#place?.lost === true) this.#place = undefined;
    return this.#place === undefined;
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
