import type { FrameSegment } from "./frameSegment.ts";

/** A slice has no further segment beyond this length. It limits the bytes that wait in the socket of a slow reader. */
export const MAX_SLICE_BYTES = 64 * 1024;

/** Consecutive frames. Readers share the bytes, and must not change them. */
export interface Slice {
  readonly bytes: Buffer;
  /** Number of frames. */
  readonly frames: number;
}

/** A slice with its position in the log. */
export interface PositionedSlice {
  readonly slice: Slice;
  readonly segment: FrameSegment;
  readonly start: number;
  readonly endSegment: FrameSegment;
  readonly end: number;
  readonly endFrame: number;
}

/** Copies frames out of segments. Readers at the same position share one copy. */
export class FrameSlices {
  /** The last slice. Readers that keep up are all at the same position. */
  #last: PositionedSlice | undefined;

  /** Call it when frames were added: the last slice may not reach the end now. */
  invalidate(): void {
    this.#last = undefined;
  }

  /**
   * Returns the frames from a position on, up to the end of the log or about {@link MAX_SLICE_BYTES}.
   * @param start position in the segment, in bytes. There must be frames after it.
   * @param frame the same position, as a number of frames.
   */
  from(segment: FrameSegment, start: number, frame: number): PositionedSlice {
    const last = this.#last;
    if (last?.segment === segment && last.start === start) return last;

    let bytes = segment.used - start;
    let frames = segment.frames - frame;
    let endSegment = segment;
    for (let { next } = segment; next !== undefined; { next } = next) {
      if (bytes + next.used > MAX_SLICE_BYTES) break;
      bytes += next.used;
      frames += next.frames;
      endSegment = next;
    }
    // The log writes other frames into an evicted segment, so a slice is a copy.
    const copy = Buffer.allocUnsafe(bytes);
    let copied = segment.bytes.copy(copy, 0, start, segment.used);
    for (let one = segment; one !== endSegment && one.next !== undefined;) {
      one = one.next;
      copied += one.bytes.copy(copy, copied, 0, one.used);
    }
    this.#last = {
      slice: { bytes: copy, frames },
      segment,
      start,
      endSegment,
      end: endSegment.used,
      endFrame: endSegment.frames,
    };
    return this.#last;
  }
}
