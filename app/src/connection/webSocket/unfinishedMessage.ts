/** Minimum capacity of the buffer. */
const MIN_CAPACITY_BYTES = 128;

/**
 * An incomplete message: its fragments so far, and after them the beginning of a frame. All bytes are in one buffer, because
 * a small object for each piece would cost many times the bytes of the piece.
 */
export class UnfinishedMessage {
  /** The buffer has an ArrayBuffer of its own: a few bytes must not keep a shared one. */
  #bytes: Buffer = Buffer.allocUnsafeSlow(0);
  /** End of the bytes that have arrived. */
  used = 0;
  /** Position of the incomplete frame after the fragments; equal to `used` if there is none. */
  frameAt = 0;
  /** Fragments that are complete, and the bytes of their payloads. */
  fragments = 0;
  payloadBytes = 0;

  get bytes(): Buffer {
    return this.#bytes;
  }

  get capacityBytes(): number {
    return this.#bytes.length;
  }

  /**
   * Appends a part of `source`.
   * @param end number of bytes that will be needed, if it is known.
   */
  append(source: Buffer, from: number, to: number, end = Infinity): void {
    const needed = this.used + to - from;
    if (needed > this.#bytes.length) {
      const ahead = Math.min(Math.max(2 * this.#bytes.length, MIN_CAPACITY_BYTES), end);
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, ahead));
      this.#bytes.copy(grown, 0, 0, this.used);
      this.#bytes = grown;
    }
    source.copy(this.#bytes, this.used, from, to);
    this.used = needed;
  }

  /** Keeps the frame that ends at `used` as a fragment. */
  keep(payloadBytes: number): void {
    this.frameAt = this.used;
    this.fragments += 1;
    this.payloadBytes += payloadBytes;
  }

  /** Drops the frame after the fragments. */
  drop(): void {
    this.used = this.frameAt;
  }
}
