import type { LogEntry, LogPage, LogPosition } from "../log/log.ts";
import { unpackRecord } from "../log/record.ts";
import { encodeBroadcast } from "../wire/encode.ts";
import { MAX_HEADER_BYTES } from "../wire/frame.ts";
import type { Dialect } from "../wire/messages.ts";
import type { ChannelCursor } from "./channelCursor.ts";
import type { FrameCache } from "./frameCache.ts";
import type { Piece, PieceOwner } from "./piece.ts";
import type { Slice } from "./slices.ts";
import { SLAB_BYTES } from "./slabQueue.ts";

/** Size of the first piece. Each further one is twice as large, up to a slab, so that a quiet channel needs little memory. */
const FIRST_PIECE_BYTES = 256;

/** The state of the channel that frames belong to. */
export interface ChannelState {
  readonly name: string;
  /** Position of the next message. */
  readonly epoch: string;
  readonly next: number;
  /** No message before this offset is in the log any more. */
  readonly retainedFrom: number;
  /** The position that was expected when the log last continued at another one, if ever. */
  readonly interrupted: LogPosition | undefined;
  /** Notes that the log has no message before an offset. */
  noteRetainedFrom(offset: number): void;
  /** Ends the use of frames by a cursor. Idempotent. */
  removeCursor(cursor: ChannelCursor, frames: FrameLog): void;
}

/** A reader that waits for a page of the log. */
export interface PageWaiter {
  /** Position of its next message. */
  readonly epoch: string;
  readonly next: number;
  /** Called once the reader can continue. @param page has the next message; `undefined` if the log does not have it. */
  onPage(page: Piece | undefined): void;
  /** Called when a page could not be read. @returns whether the reader continues to wait. */
  onPageFailed(error: unknown): boolean;
}

/** A position at which a reader continues that cannot read its next message. */
export interface Continuation extends LogPosition {
  /** Whether the reader has read everything that this task has received before that position. */
  readonly isLevel: boolean;
}

/**
 * The frames of one channel in one dialect: the recent ones, as a list of pieces, and pages of the log for readers that are
 * further behind. Each message is encoded once.
 */
export class FrameLog implements PieceOwner {
  readonly channel: ChannelState;
  readonly dialect: Dialect;
  readonly cache: FrameCache;
  /** Frames of the same channel in another dialect. */
  sibling: FrameLog | undefined;
  /** Number of cursors and joins. */
  readers = 0;
  #first: Piece | undefined;
  #last: Piece | undefined;
  /** Bytes of all frames since the beginning, including evicted ones. */
  #bytes = 0;
  #pages: Piece[] | undefined;
  #waiting: Set<PageWaiter> | undefined;
  #isFailing = false;

  constructor(channel: ChannelState, dialect: Dialect, cache: FrameCache) {
    this.channel = channel;
    this.dialect = dialect;
    this.cache = cache;
  }

  /** Whether the last page could not be read. */
  get isFailing(): boolean {
    return this.#isFailing;
  }

  /** Appends the channel's next message. Returns the bytes of its frame. */
  push(epoch: string, offset: number, text: string): number {
    const bytes = this.#pieceFor(epoch, offset, text).push(text);
    this.#bytes += bytes;
    return bytes;
  }

  /** Returns the piece or the page that has a message, if it is retained. */
  find(epoch: string, offset: number): Piece | undefined {
    // Most readers need the newest messages, and a slow one needs those before the oldest piece.
    if (this.#last?.contains(epoch, offset) === true) return this.#last;
    const first = this.#first;
    const isEvicted = first !== undefined && offset < first.first && epoch === first.epoch;
    for (let piece = isEvicted ? undefined : first; piece !== undefined; piece = piece.next) {
      if (piece.contains(epoch, offset)) return piece;
    }
    return this.#pages?.find((page) => page.contains(epoch, offset));
  }

  /** Returns the newest piece if it ends at the channel's next message. */
  get tail(): Piece | undefined {
    const { epoch, next } = this.channel;
    return this.#last?.end === next && this.#last.epoch === epoch ? this.#last : undefined;
  }

  /** Returns where a reader continues whose next message is neither in memory nor in the log; `undefined` if the log has it. */
  continuation({ epoch, next }: LogPosition): Continuation | undefined {
    const { channel } = this;
    if (epoch === channel.epoch && next >= channel.retainedFrom) return undefined;
    let before: Piece | undefined;
    for (let piece = this.#first; piece !== undefined; piece = piece.next) {
      if (piece.epoch === epoch && piece.first <= next) before = piece;
    }
    const { interrupted } = channel;
    const isLevel = before?.end === next || (interrupted?.epoch === epoch && interrupted.next === next);
    const first = this.#first?.epoch === epoch ? this.#first : undefined;
    const following = before === undefined ? first : before.next;
    if (
      following === undefined ||
      (following.epoch === channel.epoch && following.first > channel.retainedFrom)
    ) {
      return { epoch: channel.epoch, next: channel.retainedFrom, isLevel };
    }
    return { epoch: following.epoch, next: following.first, isLevel };
  }

  /** Returns the retained bytes after a position. @param piece `undefined` for a position before all of them. */
  bytesAfter(piece: Piece | undefined, at: number): number {
    const recent = this.#bytes - (this.#first?.bytesBefore ?? this.#bytes);
    if (piece === undefined) return recent;
    return this.#pages?.includes(piece) === true
      ? piece.used - at + recent
      : this.#bytes - piece.bytesBefore - at;
  }

  /** Returns the messages that notify a client of a gap. Clients of `plain` have no offsets, and receive none. */
  noticeOf(from: LogPosition, to: LogPosition): Slice | undefined {
    const { dialect, channel, cache } = this;
    return dialect === "plain" ? undefined : cache.gapNotices.find({ channel: channel.name, from, to });
  }

  /** Requests the page of the log that a reader needs. The reader is called later. Idempotent. */
  wait(waiter: PageWaiter): void {
    this.#waiting ??= new Set();
    this.#waiting.add(waiter);
    this.cache.pageReader.request(this);
  }

  stopWaiting(waiter: PageWaiter): void {
    this.#waiting?.delete(waiter);
    if (this.#waiting?.size === 0) this.#waiting = undefined;
  }

  /**
   * Returns the position of the page that is needed next, if any. It is the smallest one from an offset on, or else the smallest
   * one, so that every reader has its turn.
   */
  nextWanted(from: number): LogPosition | undefined {
    const { epoch } = this.channel;
    let [after, smallest] = [Infinity, Infinity];
    for (const waiter of this.#waiting ?? []) {
      if (waiter.epoch !== epoch) continue;
      smallest = Math.min(smallest, waiter.next);
      if (waiter.next >= from) after = Math.min(after, waiter.next);
    }
    const next = after === Infinity ? smallest : after;
    return next === Infinity ? undefined : { epoch, next };
  }

  /**
   * Takes a page of the log, and calls the readers that it helps.
   * @param wanted the position that was requested.
   * @returns the end of the page; `undefined` if it has no message and helps none.
   */
  takePage(wanted: LogPosition, { from, entries }: LogPage): number | undefined {
    const { channel } = this;
    this.#isFailing = false;
    // The log has begun another epoch. The channel will be notified.
    if (from.epoch !== channel.epoch) return undefined;
    if (from.next > wanted.next || from.epoch !== wanted.epoch)
      channel.noteRetainedFrom(Math.min(from.next, channel.next));
    // All readers have left, and the frames may have ended.
    if (this.#waiting === undefined) return from.next;
    const page = this.#createPage(entries);
    const served = this.#takeWaiting(
      ({ epoch, next }) =>
        epoch !== channel.epoch || next < channel.retainedFrom || page?.contains(epoch, next) === true,
    );
    for (const waiter of served) {
      waiter.onPage(page?.contains(waiter.epoch, waiter.next) === true ? page : undefined);
    }
    // The readers of the page may have left meanwhile. That must not delay the others.
    return page?.end ?? (served.length === 0 ? undefined : from.next);
  }

  /** Calls the readers that wait for a page after a failed attempt. @returns whether one of them continues to wait. */
  notePageFailed(error: unknown): boolean {
    this.#isFailing = true;
    for (const waiter of this.#waiting ?? []) if (!waiter.onPageFailed(error)) this.stopWaiting(waiter);
    return this.#waiting !== undefined;
  }

  /** Calls the readers that wait for a page which the log does not have any more. */
  onInterrupted(): void {
    const { epoch, retainedFrom } = this.channel;
    for (const waiter of this.#takeWaiting((one) => one.epoch !== epoch || one.next < retainedFrom)) {
      waiter.onPage(undefined);
    }
  }

  /** Ends the frames, which have no reader. Their pieces are evicted later. */
  end(): void {
    for (let piece = this.#first; piece !== undefined; piece = piece.next) piece.disown();
    for (const page of this.#pages ?? []) page.disown();
  }

  onEvicted(piece: Piece): void {
    if (piece !== this.#first) {
      this.#pages = this.#pages?.filter((page) => page !== piece);
      if (this.#pages?.length === 0) this.#pages = undefined;
      return;
    }
    this.#first = piece.next;
    if (piece.next === undefined) this.#last = undefined;
  }

  #takeWaiting(isServed: (waiter: PageWaiter) => boolean): readonly PageWaiter[] {
    const served = [...(this.#waiting ?? [])].filter(isServed);
    for (const waiter of served) this.stopWaiting(waiter);
    return served;
  }

  #pieceFor(epoch: string, offset: number, text: string): Piece {
    const { recent } = this.cache;
    const last = this.#last;
    let wanted = FIRST_PIECE_BYTES;
    if (last !== undefined && !recent.isOld(last)) {
      if (last.end === offset && last.epoch === epoch && last.hasRoomFor(text)) return last;
      wanted = Math.min(2 * last.size, SLAB_BYTES);
      recent.trim(last);
    }
    const needed = MAX_HEADER_BYTES + Buffer.byteLength(text);
    const piece = recent.allocate({ owner: this, epoch, first: offset }, needed, Math.max(needed, wanted));
    piece.bytesBefore = this.#bytes;
    // The last piece may have been evicted for this one.
    if (this.#last === undefined) this.#first = piece;
    else this.#last.next = piece;
    this.#last = piece;
    return piece;
  }

  /** Encodes the entries of a page, as far as a slab has room and the channel has them. */
  #createPage(entries: readonly LogEntry[]): Piece | undefined {
    const { name, epoch, next } = this.channel;
    const [first] = entries;
    const texts: string[] = [];
    let bytes = 0;
    for (const { offset, record } of entries) {
      if (offset >= next) break;
      const text = encodeBroadcast(this.dialect, { channel: name, offset, ...unpackRecord(record) });
      const length = MAX_HEADER_BYTES + Buffer.byteLength(text);
      if (texts.length > 0 && bytes + length > SLAB_BYTES) break;
      bytes += length;
      texts.push(text);
    }
    if (first === undefined || texts.length === 0) return undefined;
    const page = this.cache.pages.allocate({ owner: this, epoch, first: first.offset }, bytes);
    for (const text of texts) page.push(text);
    this.cache.pages.trim(page);
    this.#pages = [...(this.#pages ?? []), page];
    return page;
  }
}
