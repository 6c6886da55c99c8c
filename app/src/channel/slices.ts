import type { Piece } from "./piece.ts";

/** A slice has no further piece beyond this length. It limits the bytes that wait in the socket of a slow reader. */
export const MAX_SLICE_BYTES = 64 * 1024;

/** Number of slices that are kept for other readers. */
const KEPT_SLICES = 32;

/** Consecutive frames. Readers share the bytes, and must not change them. */
export interface Slice {
  readonly bytes: Buffer;
  /** Number of frames. */
  readonly frames: number;
}

/** A slice with its position. */
export interface PositionedSlice {
  readonly slice: Slice;
  readonly piece: Piece;
  readonly start: number;
  /** The piece that has the last frame, and the position after it. */
  readonly endPiece: Piece;
  readonly endAt: number;
  readonly end: number;
}

/** Copies frames out of pieces. Readers at the same position share one copy. */
export class Slices {
  /** The last slices. Readers that keep up are all at one position of their channel. */
  readonly #kept: (PositionedSlice | undefined)[] = Array.from({ length: KEPT_SLICES });

  /**
   * Returns the frames from a position on, up to the last one that continues them, or about {@link MAX_SLICE_BYTES}.
   * @param piece is retained.
   * @param start position in the piece, in bytes. There must be frames after it.
   * @param offset offset of the first message.
   */
  from(piece: Piece, start: number, offset: number): PositionedSlice {
    const index = (piece.slabNumber + start) % KEPT_SLICES;
    const kept = this.#kept[index];
    if (kept?.piece === piece && kept.start === start && isComplete(kept)) return kept;

    let bytes = piece.used - start;
    let endPiece = piece;
    for (let next = following(piece); next !== undefined; next = following(next)) {
      if (bytes + next.used > MAX_SLICE_BYTES) break;
      bytes += next.used;
      endPiece = next;
    }
    // Other frames are written into an evicted piece, so a slice is a copy.
    const copy = Buffer.allocUnsafe(bytes);
    let copied = piece.copy(copy, 0, start);
    for (let one = piece; one !== endPiece && one.next !== undefined;) {
      one = one.next;
      copied += one.copy(copy, copied, 0);
    }
    const { used: endAt, end } = endPiece;
    const slice = { bytes: copy, frames: end - offset };
    const positioned = { slice, piece, start, endPiece, endAt, end };
    this.#kept[index] = positioned;
    return positioned;
  }
}

/** Returns the piece that continues another one, if there is one. */
function following(piece: Piece): Piece | undefined {
  const { next } = piece;
  return next?.continues(piece) === true ? next : undefined;
}

/** Whether a slice has all frames that one could have now. */
function isComplete({ slice, endPiece, endAt }: PositionedSlice): boolean {
  if (endPiece.used > endAt) return false;
  const next = following(endPiece);
  return next === undefined || slice.bytes.length + next.used > MAX_SLICE_BYTES;
}
