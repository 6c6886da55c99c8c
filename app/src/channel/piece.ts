import { frameEnd, headerLength, MAX_HEADER_BYTES, Opcode, writeHeader } from "../wire/frame.ts";
import { exceedsBytes } from "../wire/textBounds.ts";

const NO_BYTES = Buffer.alloc(0);

/** The frames that a piece belongs to. */
export interface PieceOwner {
  /** The piece is the oldest one of its queue. */
  onEvicted(piece: Piece): void;
}

export interface PieceParts {
  readonly owner: PieceOwner;
  /** Position of the first message. */
  readonly epoch: string;
  readonly first: number;
}

/** The part of a slab that a piece has. Slabs are numbered in the order of their creation. */
export interface PieceMemory {
  readonly slab: Buffer;
  readonly slabNumber: number;
  /** Position and size of the part, in bytes. */
  readonly start: number;
  readonly size: number;
}

/** A part of a slab with consecutive frames of a channel in one dialect, back to back. Each frame is one message. */
export class Piece {
  /** `undefined` after {@link disown}. */
  #owner: PieceOwner | undefined;
  readonly epoch: string;
  /** Offset of the first message. */
  readonly first: number;
  /** Number of frames. */
  count = 0;
  /** Bytes of the frames. They never change while the piece is retained. */
  used = 0;
  /** The next piece of the same frames, which may not continue at {@link end}. */
  next: Piece | undefined;
  /** Bytes of the owner's frames before this piece. */
  bytesBefore = 0;
  readonly slabNumber: number;
  #slab: Buffer;
  readonly #start: number;
  #size: number;

  constructor({ owner, epoch, first }: PieceParts, { slab, slabNumber, start, size }: PieceMemory) {
    this.#owner = owner;
    this.epoch = epoch;
    this.first = first;
    this.slabNumber = slabNumber;
    this.#slab = slab;
    this.#start = start;
    this.#size = size;
  }

  /** Offset after the last message. */
  get end(): number {
    return this.first + this.count;
  }

  get size(): number {
    return this.#size;
  }

  /** Whether the slab contains other frames now. */
  get isEvicted(): boolean {
    return this.#slab === NO_BYTES;
  }

  contains(epoch: string, offset: number): boolean {
    return offset >= this.first && offset < this.end && epoch === this.epoch;
  }

  /** Whether the first message follows the last one of another piece. */
  continues(piece: Piece): boolean {
    return this.first === piece.end && this.epoch === piece.epoch;
  }

  hasRoomFor(text: string): boolean {
    return !exceedsBytes(text, this.#size - this.used - MAX_HEADER_BYTES);
  }

  /** Appends a message as a text frame, for which there must be room. Returns the bytes of the frame. */
  push(text: string): number {
    const slab = this.#slab;
    const start = this.#start + this.used;
    // The length for ASCII, which nearly all text is. The text need not be measured first.
    const assumed = headerLength(text.length);
    const length = slab.write(text, start + assumed);
    const header = headerLength(length);
    if (header !== assumed) slab.copyWithin(start + header, start + assumed, start + assumed + length);
    writeHeader(slab, start, Opcode.text, length);
    this.used += header + length;
    this.count += 1;
    return header + length;
  }

  /** Returns where the frame of a message begins, in bytes. @param offset at most {@link end}. */
  startOf(offset: number): number {
    if (offset === this.end) return this.used;
    let at = this.#start;
    for (let n = this.first; n < offset; n++) at = frameEnd(this.#slab, at);
    return at - this.#start;
  }

  /** Copies the frames from `at` on. Returns the number of bytes. */
  copy(target: Buffer, targetStart: number, at: number): number {
    return this.#slab.copy(target, targetStart, this.#start + at, this.#start + this.used);
  }

  /** Releases the bytes that are not used. Returns their number. */
  trim(): number {
    const unused = this.#size - this.used;
    this.#size = this.used;
    return unused;
  }

  /** Lets the frames end before the piece is evicted, which would keep them and their channel in memory. */
  disown(): void {
    this.#owner = undefined;
  }

  evict(): void {
    this.#owner?.onEvicted(this);
    // Otherwise a reader that is far behind would keep all later pieces in memory.
    this.next = undefined;
    this.#slab = NO_BYTES;
  }
}
