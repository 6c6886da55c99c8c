import { Piece } from "./piece.ts";
import type { PieceParts } from "./piece.ts";

/** Size of a slab. A larger piece has a slab of its own. */
export const SLAB_BYTES = 64 * 1024;

/** Memory of a piece besides its bytes, as measured. It matters if there are many small pieces. */
const PIECE_OVERHEAD_BYTES = 160;

interface Slab {
  readonly bytes: Buffer;
  /** Bytes of all pieces. */
  used: number;
  readonly pieces: Piece[];
  next: Slab | undefined;
}

/** Memory for frames within one budget. If it is full, the oldest slab is evicted with all its pieces. */
export class SlabQueue {
  readonly #maxBytes: number;
  readonly #maxAge: number;
  #oldest: Slab | undefined;
  #newest: Slab | undefined;
  /** Number of slabs that were created. */
  #created = 0;
  #bytes = 0;
  /** Memory of an evicted slab for the next one: the garbage collector releases long-lived memory late. */
  #spare: Buffer | undefined;

  /** @param maxBytes budget for slabs and pieces. Only a single slab can exceed it. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#maxAge = maxBytes / SLAB_BYTES / 2;
  }

  /** Memory of all slabs and pieces, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether a piece is in the older half, so that new frames in it would be evicted early. */
  isOld(piece: Piece): boolean {
    return this.#created - piece.slabNumber > this.#maxAge;
  }

  /**
   * Adds a piece to the newest slab, or to a new one.
   * @param minBytes minimum size of the piece.
   * @param wantedBytes its size if the slab has that much room. A smaller rest is not left over.
   */
  allocate(parts: PieceParts, minBytes: number, wantedBytes = minBytes): Piece {
    let slab = this.#newest;
    if (slab === undefined || slab.bytes.length - slab.used < minBytes) slab = this.#addSlab(minBytes);
    const size = Math.max(minBytes, Math.min(wantedBytes, slab.bytes.length - slab.used));
    const piece = new Piece(parts, { slab: slab.bytes, slabNumber: this.#created, start: slab.used, size });
    slab.used += size;
    slab.pieces.push(piece);
    this.#bytes += PIECE_OVERHEAD_BYTES;
    while (this.#bytes > this.#maxBytes && this.#oldest !== slab) this.#evict();
    return piece;
  }

  /** Takes back what a complete piece does not use, if it is the last one of the newest slab. */
  trim(piece: Piece): void {
    const slab = this.#newest;
    if (slab?.pieces.at(-1) === piece) slab.used -= piece.trim();
  }

  #addSlab(minBytes: number): Slab {
    const size = Math.max(SLAB_BYTES, minBytes);
    while (this.#oldest !== undefined && this.#bytes + size > this.#maxBytes) this.#evict();
    const spare = size === SLAB_BYTES ? this.#spare : undefined;
    if (spare !== undefined) this.#spare = undefined;
    const bytes = spare ?? Buffer.allocUnsafeSlow(size);
    const slab: Slab = { bytes, used: 0, pieces: [], next: undefined };
    this.#created += 1;
    this.#bytes += size;
    if (this.#newest === undefined) this.#oldest = slab;
    else this.#newest.next = slab;
    this.#newest = slab;
    return slab;
  }

  #evict(): void {
    const slab = this.#oldest;
    if (slab === undefined) return;
    this.#oldest = slab.next;
    if (slab.next === undefined) this.#newest = undefined;
    this.#bytes -= slab.bytes.length + slab.pieces.length * PIECE_OVERHEAD_BYTES;
    for (const piece of slab.pieces) piece.evict();
    if (slab.bytes.length === SLAB_BYTES) this.#spare = slab.bytes;
  }
}
