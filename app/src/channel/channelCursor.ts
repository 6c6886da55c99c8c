import type { LogPosition } from "../log/log.ts";
import type { Cursor, Listener } from "./cursor.ts";
import type { Continuation, FrameLog, PageWaiter } from "./frameLog.ts";
import type { Piece } from "./piece.ts";
import type { Slice } from "./slices.ts";

/** The next offset of a lost cursor. */
const LOST = -1;

/** A cursor with the state that its channel needs. */
export class ChannelCursor implements Cursor, PageWaiter {
  readonly frames: FrameLog;
  readonly listener: Listener;
  /** Position of the next message. */
  #epoch: string;
  #next: number;
  /** The piece that has the next message, or ends before it; `undefined` until it is searched. */
  #piece: Piece | undefined;
  /** Position in the piece, in bytes. */
  #at = 0;

  constructor(frames: FrameLog, { epoch, next }: LogPosition, listener: Listener) {
    this.frames = frames;
    this.listener = listener;
    this.#epoch = epoch;
    this.#next = next;
    const { tail } = frames;
    if (tail?.end === next) {
      this.#piece = tail;
      this.#at = tail.used;
    }
  }

  get channel(): string {
    return this.frames.channel.name;
  }

  get epoch(): string {
    return this.#epoch;
  }

  get next(): number {
    return this.#next;
  }

  get isLost(): boolean {
    // A lost position is found by reading, or here if nothing is left that could be read.
    if (this.frames.dialect !== "plain") return false;
    if (!this.isAtEnd && this.#unread() === undefined) this.#findContinuation();
    return this.#next === LOST;
  }

  get isAtEnd(): boolean {
    const { channel } = this.frames;
    return (this.#next === channel.next && this.#epoch === channel.epoch) || this.#next === LOST;
  }

  get needsPage(): boolean {
    if (this.isAtEnd || this.frames.isFailing) return false;
    return this.#unread() === undefined && this.frames.continuation(this) === undefined;
  }

  /** Bytes in memory that the cursor has not read. */
  get lagBytes(): number {
    return this.isAtEnd ? 0 : this.frames.bytesAfter(this.#unread(), this.#at);
  }

  read(): Slice | undefined {
    for (;;) {
      const piece = this.#unread();
      if (piece !== undefined) return this.#take(piece);
      if (this.isAtEnd) return undefined;
      const continuation = this.#findContinuation();
      if (continuation === undefined) {
        if (this.#next !== LOST) this.frames.wait(this);
        return undefined;
      }
      const notice = this.#continueAt(continuation);
      if (notice !== undefined) return notice;
    }
  }

  onPage(page: Piece | undefined): void {
    if (page !== undefined) this.#moveTo(page);
    this.listener.onReadable(this);
  }

  /** It waits until the log can be read, and {@link needsPage} is false until then. */
  onPageFailed(): boolean {
    this.listener.onReadable(this);
    return true;
  }

  close(): void {
    this.frames.stopWaiting(this);
    this.frames.channel.removeCursor(this, this.frames);
    this.#end();
  }

  /** Returns the piece that has the next message, if it is in memory. */
  #unread(): Piece | undefined {
    const piece = this.#piece;
    if (piece !== undefined && !piece.isEvicted) {
      if (this.#at < piece.used) return piece;
      const { next } = piece;
      if (next?.continues(piece) === true) {
        this.#piece = next;
        this.#at = 0;
        return next;
      }
    }
    if (this.isAtEnd) return undefined;
    const found = this.frames.find(this.#epoch, this.#next);
    if (found !== undefined) this.#moveTo(found);
    return found;
  }

  #take(piece: Piece): Slice {
    const { slice, endPiece, endAt, end } = this.frames.cache.slices.from(piece, this.#at, this.#next);
    this.#piece = endPiece;
    this.#at = endAt;
    this.#next = end;
    return slice;
  }

  #moveTo(piece: Piece): void {
    this.#piece = piece;
    this.#at = piece.startOf(this.#next);
  }

  /** Returns where the cursor continues if the log does not have its next message. A `plain` cursor may be lost instead. */
  #findContinuation(): Continuation | undefined {
    const continuation = this.frames.continuation(this);
    if (continuation?.isLevel !== false || this.frames.dialect !== "plain") return continuation;
    this.#end();
    return undefined;
  }

  /** @returns the notice of the gap, if the dialect has one. */
  #continueAt({ epoch, next }: LogPosition): Slice | undefined {
    const from = { epoch: this.#epoch, next: this.#next };
    this.#epoch = epoch;
    this.#next = next;
    this.#piece = undefined;
    return this.frames.noticeOf(from, { epoch, next });
  }

  #end(): void {
    this.#next = LOST;
    this.#piece = undefined;
  }
}
