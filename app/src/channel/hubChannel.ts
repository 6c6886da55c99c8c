import type { Appended, LogEntry, LogPosition, LogReader, MessageLog } from "../log/log.ts";
import { unpackRecord } from "../log/record.ts";
import { encodeBroadcast } from "../wire/encode.ts";
import type { Dialect, Gap } from "../wire/messages.ts";
import { ChannelCursor } from "./channelCursor.ts";
import { Condition } from "./condition.ts";
import type { Joined, JoinRequest, Listener, ResumePoint, Start } from "./cursor.ts";
import type { FrameCache } from "./frameCache.ts";
import { FrameLog } from "./frameLog.ts";
import type { ChannelState } from "./frameLog.ts";
import { waitForPage } from "./pageWait.ts";

/** The epoch of a channel that the log has not begun to deliver. */
const UNKNOWN = "";

const FIRST_OFFSET = 1;

/** What a channel needs of its hub. */
export interface ChannelHub {
  readonly log: MessageLog;
  readonly cache: FrameCache;
  /** Notifies the readers of a channel at the end of this turn of the event loop. @param bytes size of the new frames. */
  scheduleNotify(channel: HubChannel, bytes: number): void;
  /** Notes that a channel, or its frames in one dialect, has no reader. */
  noteUnread(channel: HubChannel): void;
}

/** The end of a run of entries, and the position at which the log has continued. */
interface Interruption extends LogPosition {
  /** Offset of the first entry after it, in the current epoch. */
  readonly continuedAt: number;
}

/**
 * One channel of a task. It follows the channel's log, and encodes each message once per dialect for all readers. A reader has a
 * {@link Cursor}. There can be many thousands of channels, so an idle one has no collection, closure, timer or promise of its own.
 */
export class HubChannel implements LogReader, ChannelState {
  readonly name: string;
  readonly #hub: ChannelHub;
  #epoch = UNKNOWN;
  #next = FIRST_OFFSET;
  #retainedFrom = FIRST_OFFSET;
  #interrupted: Interruption | undefined;
  /** Frames in the first dialect. Those in the others are its siblings. */
  #frames: FrameLog | undefined;
  #cursors: ChannelCursor | Set<ChannelCursor> | undefined;
  /** Number of joins that wait. */
  #joining = 0;
  /** Notified when the position changes. */
  #moved: Condition | undefined;
  /** Largest offset that the log has acknowledged to this task in this epoch. */
  #expected = 0;
  /** Whether its readers will be notified at the end of this turn. The hub uses it. */
  isChanged = false;

  constructor(name: string, hub: ChannelHub) {
    this.name = name;
    this.#hub = hub;
  }

  get epoch(): string {
    return this.#epoch;
  }

  get next(): number {
    return this.#next;
  }

  get retainedFrom(): number {
    return this.#retainedFrom;
  }

  get interrupted(): LogPosition | undefined {
    return this.#interrupted;
  }

  get isUsed(): boolean {
    return this.#cursors !== undefined || this.#joining > 0;
  }

  /** Whether the log has not delivered a message that it has acknowledged to this task. */
  get isBehind(): boolean {
    return this.#expected >= this.#next;
  }

  /** Bytes in memory that the slowest reader has not read. */
  get slowestLagBytes(): number {
    if (!(this.#cursors instanceof Set)) return this.#cursors?.lagBytes ?? 0;
    let slowest = 0;
    for (const cursor of this.#cursors) slowest = Math.max(slowest, cursor.lagBytes);
    return slowest;
  }

  /** Begins to follow the log. @throws if the log is closed. */
  follow(): void {
    this.#hub.log.subscribe(this.name, this);
  }

  /** Ends following the log. Cursors keep their positions. */
  stop(): void {
    this.#hub.log.unsubscribe(this.name, this);
  }

  /** See `Hub.joinNow`. */
  joinNow(dialect: Dialect, listener: Listener): Joined | undefined {
    if (this.#epoch === UNKNOWN) return undefined;
    return this.#addCursor(this.#framesIn(dialect), this.#next, listener, undefined);
  }

  /** See `Hub.join`. */
  async join({ dialect, start, listener, signal }: JoinRequest): Promise<Joined> {
    const frames = this.#framesIn(dialect);
    frames.readers += 1;
    this.#joining += 1;
    try {
      signal?.throwIfAborted();
      if (this.#epoch === UNKNOWN) await this.#until(() => this.#epoch !== UNKNOWN, signal);
      if (start === "end") return this.#addCursor(frames, this.#next, listener, undefined);
      if (isResumePoint(start)) {
        if (start.epoch !== this.#epoch || start.offset >= this.#next) await this.#catchUpWith(start, signal);
        if (start.epoch === this.#epoch) return this.#resume(frames, start, listener);
      }
      return await this.#joinEarlier(frames, start, listener, signal);
    } finally {
      this.#joining -= 1;
      frames.readers -= 1;
      if (frames.readers === 0) this.#hub.noteUnread(this);
    }
  }

  /** Notes the position of a publish of this task: see {@link isBehind}. */
  noteAppended({ epoch, offset }: Appended): void {
    if (epoch === this.#epoch && offset > this.#expected) this.#expected = offset;
  }

  /** Resolves when the log has delivered every message that it has acknowledged to this task. */
  async waitUntilDelivered(): Promise<void> {
    const [epoch, expected] = [this.#epoch, this.#expected];
    await this.#until(() => this.#epoch !== epoch || this.#next > expected);
  }

  noteRetainedFrom(offset: number): void {
    this.#retainedFrom = Math.max(this.#retainedFrom, offset);
  }

  started(from: LogPosition): void {
    if (this.#epoch !== UNKNOWN) {
      // Two interruptions without an entry between them are one for readers.
      if (this.#interrupted?.continuedAt !== this.#next) {
        this.#interrupted = { epoch: this.#epoch, next: this.#next, continuedAt: from.next };
      } else {
        this.#interrupted = { ...this.#interrupted, continuedAt: from.next };
      }
      this.#retainedFrom = from.next;
      this.#hub.scheduleNotify(this, 0);
    }
    if (from.epoch !== this.#epoch) this.#expected = 0;
    this.#epoch = from.epoch;
    this.#next = from.next;
    for (let frames = this.#frames; frames !== undefined; frames = frames.sibling) frames.onInterrupted();
    this.#moved?.notify();
  }

  entries(entries: readonly LogEntry[]): void {
    for (const { offset, record } of entries) {
      this.#next = offset + 1;
      const { payload, from } = unpackRecord(record);
      const message = { channel: this.name, offset, payload, from };
      let bytes = 0;
      for (let frames = this.#frames; frames !== undefined; frames = frames.sibling) {
        bytes += frames.push(this.#epoch, offset, encodeBroadcast(frames.dialect, message));
      }
      this.#hub.scheduleNotify(this, bytes);
    }
    this.#moved?.notify();
  }

  notifyReaders(): void {
    if (this.#cursors === undefined) return;
    if (this.#cursors instanceof Set) {
      for (const cursor of this.#cursors) cursor.listener.onReadable(cursor);
    } else this.#cursors.listener.onReadable(this.#cursors);
  }

  removeCursor(cursor: ChannelCursor, frames: FrameLog): void {
    if (this.#cursors instanceof Set) {
      if (!this.#cursors.delete(cursor)) return;
      if (this.#cursors.size === 1) [this.#cursors] = this.#cursors;
    } else if (this.#cursors === cursor) this.#cursors = undefined;
    else return;
    frames.readers -= 1;
    if (frames.readers === 0) this.#hub.noteUnread(this);
  }

  /** Ends the frames in the dialects without readers. */
  dropUnread(): void {
    let kept: FrameLog | undefined;
    for (let frames = this.#frames; frames !== undefined;) {
      const { sibling } = frames;
      if (frames.readers > 0) {
        frames.sibling = kept;
        kept = frames;
      } else frames.end();
      frames = sibling;
    }
    this.#frames = kept;
  }

  /** Adds a cursor at a retained message: the oldest one for a client of another epoch. */
  async #joinEarlier(
    frames: FrameLog,
    start: Exclude<Start, "end">,
    listener: Listener,
    signal: AbortSignal | undefined,
  ): Promise<Joined> {
    for (;;) {
      const epoch = this.#epoch;
      const wanted = isResumePoint(start) ? FIRST_OFFSET : Math.max(FIRST_OFFSET, this.#next - start.last);
      let isInMemory = frames.find(epoch, wanted) !== undefined;
      while (!isInMemory && wanted < this.#next && wanted >= this.#retainedFrom) {
        await waitForPage(frames, { epoch, next: wanted }, signal);
        if (this.#epoch !== epoch) break;
        isInMemory = frames.find(epoch, wanted) !== undefined;
      }
      if (this.#epoch !== epoch) continue;
      const next = isInMemory ? wanted : (frames.continuation({ epoch, next: wanted })?.next ?? wanted);
      return this.#addCursor(frames, next, listener, isResumePoint(start) ? gapAfter(start) : undefined);
    }
  }

  /** Adds a cursor at a resume point of the current epoch. */
  #resume(frames: FrameLog, { epoch, offset }: ResumePoint, listener: Listener): Joined {
    const wanted = offset + 1;
    // The client names a message that the log does not have.
    if (wanted > this.#next)
      return this.#addCursor(frames, this.#next, listener, { epoch, from: this.#next });
    const isInMemory = wanted === this.#next || frames.find(epoch, wanted) !== undefined;
    const continuation = isInMemory ? undefined : frames.continuation({ epoch, next: wanted });
    if (continuation === undefined) return this.#addCursor(frames, wanted, listener, undefined);
    const { next } = continuation;
    return this.#addCursor(frames, next, listener, { epoch, from: wanted, to: next - 1 });
  }

  #addCursor(frames: FrameLog, next: number, listener: Listener, gap: Gap | undefined): Joined {
    const epoch = this.#epoch;
    const cursor = new ChannelCursor(frames, { epoch, next }, listener);
    frames.readers += 1;
    if (this.#cursors === undefined) this.#cursors = cursor;
    else if (this.#cursors instanceof Set) this.#cursors.add(cursor);
    else this.#cursors = new Set([this.#cursors, cursor]);
    return { cursor, epoch, offset: next - 1, gap };
  }

  #framesIn(dialect: Dialect): FrameLog {
    for (let frames = this.#frames; frames !== undefined; frames = frames.sibling) {
      if (frames.dialect === dialect) return frames;
    }
    const added = new FrameLog(this, dialect, this.#hub.cache);
    added.sibling = this.#frames;
    this.#frames = added;
    return added;
  }

  /** Waits for messages, or a new epoch, that another task has delivered to the client and this task has not read yet. */
  async #catchUpWith(resume: ResumePoint, signal: AbortSignal | undefined): Promise<void> {
    const known = this.#epoch;
    const end = await this.#hub.log.end(this.name);
    const isAhead = end.epoch === resume.epoch && end.next > resume.offset;
    await this.#until(() => {
      if (this.#epoch !== end.epoch) return this.#epoch !== known;
      return !isAhead || this.#next > resume.offset;
    }, signal);
  }

  async #until(isMet: () => boolean, signal?: AbortSignal): Promise<void> {
    const moved = (this.#moved ??= new Condition());
    try {
      await moved.until(isMet, signal);
    } finally {
      if (moved.isIdle && this.#moved === moved) this.#moved = undefined;
    }
  }
}

/** Returns the gap of a client whose messages are of another epoch. */
function gapAfter({ epoch, offset }: ResumePoint): Gap {
  return { epoch, from: Math.min(offset + 1, Number.MAX_SAFE_INTEGER) };
}

function isResumePoint(start: Start): start is ResumePoint {
  return typeof start === "object" && "epoch" in start;
}
