import type { Appended, LogEntry, LogPosition, MessageLog } from "../log/log.ts";
import { MAX_ENVELOPE_BYTES } from "../wire/encode.ts";
import type { Dialect, Gap } from "../wire/messages.ts";
import { Condition } from "./condition.ts";
import { ChannelCursor } from "./cursor.ts";
import type { Joined, JoinRequest, Listener, ResumePoint, Start } from "./cursor.ts";
import { DialectFrames } from "./dialectFrames.ts";
import { followRetained } from "./followRetained.ts";
import type { RetainedReader } from "./followRetained.ts";

/** Share of the retained frames after which readers are notified in the middle of a turn: they must not lose frames. */
const URGENT_SHARE = 0.5;

/** Time for which a channel, or its frames in a dialect, is kept without readers: a client may reconnect. */
const LINGER_MS = 10_000;

/** The epoch of a channel that was not read yet. */
const UNKNOWN = "";

export interface HubChannelParts {
  readonly log: MessageLog;
  /** Messages per channel that readers can resume from, and the bytes of their payloads: up to the first of these limits. */
  readonly retainedMessages: number;
  readonly retainedBytes: number;
  /** Interval of the server's heartbeats, in seconds. Clients receive it when the log begins a new epoch. */
  readonly heartbeatSeconds: number;
  /** Called for each batch, with the seconds from its arrival until every reader has been notified. */
  readonly onFannedOut?: (seconds: number) => void;
  /** @default LINGER_MS */
  readonly lingerMs?: number;
}

/**
 * One channel of a task. It reads the channel's log, encodes each message once per dialect, and keeps the recent frames for all
 * readers. A reader has a {@link Cursor}.
 */
export class HubChannel implements RetainedReader {
  readonly #name: string;
  readonly #parts: HubChannelParts;
  readonly #onUnused: () => void;
  readonly #frames: DialectFrames;
  /** Minimum size of the retained frames per dialect, in bytes. */
  readonly #minFrameBytes: number;
  readonly #cursors = new Set<ChannelCursor>();
  #unsubscribe: () => void = () => undefined;
  /** Number of joins that wait. */
  #joining = 0;
  /** Position of the next entry. */
  #epoch = UNKNOWN;
  #next = 1;
  /** Notified when the position changes. */
  readonly #moved = new Condition();
  /** Offset at which the channel ended when the log began to deliver it. */
  #liveAt = Infinity;
  /** Largest offset that the log has acknowledged to this task in this epoch. */
  #expected = 0;
  /** Bytes that arrived since the readers were notified, and when the first of them arrived. */
  #newBytes = 0;
  #newSince = 0;
  #notifyImmediate: NodeJS.Immediate | undefined;
  /** When the last use ended, in milliseconds of `performance.now()`. */
  #usedUntil = 0;
  #lingerTimer: NodeJS.Timeout | undefined;

  /**
   * @param dialect dialect of the first reader.
   * @param onUnused called when the channel has been without readers for `lingerMs`.
   */
  constructor(name: string, dialect: Dialect, parts: HubChannelParts, onUnused: () => void) {
    this.#name = name;
    this.#parts = parts;
    this.#onUnused = onUnused;
    this.#minFrameBytes = parts.retainedBytes + MAX_ENVELOPE_BYTES * parts.retainedMessages;
    this.#frames = new DialectFrames({
      channel: name,
      dialect,
      next: this.#next,
      minBytes: this.#minFrameBytes,
      heartbeatSeconds: parts.heartbeatSeconds,
    });
  }

  /** When the last use ended, in milliseconds of `performance.now()`; `Infinity` if the channel is in use. */
  get unusedSince(): number {
    return this.#isUsed ? Infinity : this.#usedUntil;
  }

  /** Bytes that the slowest reader has not read. */
  get slowestLagBytes(): number {
    let slowest = 0;
    for (const cursor of this.#cursors) slowest = Math.max(slowest, cursor.lagBytes);
    return slowest;
  }

  /** Begins to read the log. @throws if the log is closed. */
  follow(): void {
    this.#unsubscribe = followRetained(this.#parts.log, this.#name, this);
  }

  /** Ends reading the log. Cursors keep their positions. */
  stop(): void {
    this.#unsubscribe();
    clearImmediate(this.#notifyImmediate);
    clearTimeout(this.#lingerTimer);
  }

  /** See `Hub.join`. */
  async join({ dialect, start, listener, signal }: JoinRequest): Promise<Joined> {
    this.#joining += 1;
    try {
      await this.#moved.until(this.#isLive, signal);
      if (isResumePoint(start) && (start.epoch !== this.#epoch || start.offset >= this.#next)) {
        await this.#catchUpWith(start, signal);
      }
      return this.#addCursor(dialect, start, listener);
    } finally {
      this.#joining -= 1;
      if (!this.#isUsed) this.#linger();
    }
  }

  /** Notes the position of a publish of this task: see {@link waitUntilDelivered}. */
  noteAppended({ epoch, offset }: Appended): void {
    if (epoch === this.#epoch && offset > this.#expected) this.#expected = offset;
  }

  /** Resolves when the log has delivered every message that it has acknowledged to this task. */
  async waitUntilDelivered(): Promise<void> {
    const [epoch, expected] = [this.#epoch, this.#expected];
    await this.#moved.until(() => this.#epoch !== epoch || this.#next > expected);
  }

  started(from: LogPosition, end: number): void {
    const before = this.#epoch === UNKNOWN ? undefined : { epoch: this.#epoch, next: this.#next };
    this.#epoch = from.epoch;
    this.#next = from.next;
    this.#liveAt = end;
    if (from.epoch !== before?.epoch) this.#expected = 0;
    this.#frames.continueAt(from, before);
    if (this.#cursors.size > 0) this.#scheduleNotify();
    this.#moved.notify();
  }

  entries(entries: readonly LogEntry[]): void {
    for (const { offset, record } of entries) {
      this.#next = offset + 1;
      this.#newBytes += this.#frames.push(record, offset);
      this.#scheduleNotify();
      if (this.#newBytes > this.#minFrameBytes * URGENT_SHARE) this.#notify();
    }
    this.#moved.notify();
  }

  #addCursor(dialect: Dialect, wanted: Start, listener: Listener): Joined {
    const source = this.#frames.in(dialect, this.#epoch);
    const { frames } = source;
    let start = frames.next;
    let gap: Gap | undefined;
    if (isResumePoint(wanted)) {
      const { epoch } = wanted;
      const next = wanted.offset + 1;
      if (epoch !== this.#epoch) {
        start = frames.first;
        gap = { epoch, from: Math.min(next, Number.MAX_SAFE_INTEGER) };
      } else if (next > frames.next) {
        // The client names a message that the log does not have.
        gap = { epoch, from: frames.next };
      } else {
        start = frames.nearest(next);
        if (start > next) gap = { epoch, from: next, to: start - 1 };
      }
    } else if (wanted !== "end") {
      start = frames.nearest(Math.max(frames.first, frames.next - wanted.last));
    }
    const cursor = new ChannelCursor(this.#name, source, start, listener, this.#removeCursor);
    source.readers += 1;
    this.#cursors.add(cursor);
    return { cursor, epoch: this.#epoch, offset: start - 1, gap };
  }

  readonly #removeCursor = (cursor: ChannelCursor): void => {
    if (!this.#cursors.delete(cursor)) return;
    cursor.source.readers -= 1;
    if (cursor.source.readers === 0) this.#linger();
  };

  /** Waits for messages, or a new epoch, that another task has delivered to the client and this task has not read yet. */
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

  /** Whether the entries that were retained when the log began to deliver the channel have been read. */
  readonly #isLive = (): boolean => this.#next >= this.#liveAt;

  /** Notifies readers once per turn of the event loop, so that a burst is one write per socket. */
  #scheduleNotify(): void {
    if (this.#notifyImmediate !== undefined) return;
    this.#newSince = performance.now();
    this.#notifyImmediate = setImmediate(this.#notify);
  }

  readonly #notify = (): void => {
    clearImmediate(this.#notifyImmediate);
    this.#notifyImmediate = undefined;
    this.#newBytes = 0;
    for (const cursor of this.#cursors) cursor.listener.onReadable(cursor);
    this.#parts.onFannedOut?.((performance.now() - this.#newSince) / 1000);
  };

  get #isUsed(): boolean {
    return this.#cursors.size + this.#joining > 0;
  }

  #linger(): void {
    this.#usedUntil = performance.now();
    clearTimeout(this.#lingerTimer);
    this.#lingerTimer = setTimeout(() => {
      if (this.#isUsed) this.#frames.dropUnread();
      else this.#onUnused();
    }, this.#parts.lingerMs ?? LINGER_MS).unref();
  }
}

function isResumePoint(start: Start): start is ResumePoint {
  return start !== "end" && "epoch" in start;
}
