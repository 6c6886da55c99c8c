import type { FrameSegment } from "./frameSegment.ts";
import type { FrameSlices, Slice } from "./frameSlices.ts";

/** A reader's position in a frame log. */
export class FramePlace {
  readonly #slices: FrameSlices;
  #segment: FrameSegment;
  /** Position in the segment, in bytes. */
  #at: number;
  /** The same position, as a number of frames. */
  #frame: number;

  constructor(slices: FrameSlices, segment: FrameSegment, at: number, frame: number) {
    this.#slices = slices;
    this.#segment = segment;
    this.#at = at;
    this.#frame = frame;
  }

  /** Whether the next frame is no longer retained. Drop a lost place: it keeps all later frames in memory. */
  get isLost(): boolean {
    const segment = this.#advance();
    return segment.isEvicted && this.#at < segment.used;
  }

  get isAtEnd(): boolean {
    const { used } = this.#advance();
    return this.#at === used;
  }

  /** Epoch of the next message. */
  get epoch(): string {
    return this.#segment.epoch;
  }

  /** Offset of the next message. */
  get next(): number {
    const { firstOffset, notices } = this.#segment;
    return firstOffset + Math.max(this.#frame - notices, 0);
  }

  /** Bytes after this position. */
  get lagBytes(): number {
    let bytes = -this.#at;
    for (
      let segment: FrameSegment | undefined = this.#segment;
      segment !== undefined;
      segment = segment.next
    ) {
      bytes += segment.used;
    }
    return bytes;
  }

  /** Takes all or some of the next frames. Returns `undefined` at the end of the log, and if the place is lost. */
  read(): Slice | undefined {
    const segment = this.#advance();
    if (segment.isEvicted || this.#at === segment.used) return undefined;
    const { slice, endSegment, end, endFrame } = this.#slices.from(segment, this.#at, this.#frame);
    this.#segment = endSegment;
    this.#at = end;
    this.#frame = endFrame;
    return slice;
  }

  /** Moves from the end of a segment to the start of the next one, if there is one. */
  #advance(): FrameSegment {
    let segment = this.#segment;
    while (this.#at === segment.used && segment.next !== undefined) {
      segment = this.#segment = segment.next;
      this.#at = this.#frame = 0;
    }
    return segment;
  }
}
