import { frameEnd, MAX_HEADER_BYTES, payloadStart } from "../wire/frame.ts";
import { FramePlace } from "./framePlace.ts";
import { createSegment, nextOffset, retainedBytes, writeTextFrame } from "./frameSegment.ts";
import type { FrameSegment } from "./frameSegment.ts";
import { FrameSlices } from "./frameSlices.ts";

/** Size of the first segment. Later segments are larger, up to a maximum, so that a quiet channel needs little memory. */
const FIRST_SEGMENT_BYTES = 4 * 1024;
const MAX_SEGMENT_BYTES = 64 * 1024;

/** Minimum number of segments of a full log. Frames are evicted by whole segments. */
const MIN_SEGMENTS = 8;

/** Maximum share of a complete segment that can be unused. */
const MAX_UNUSED_SHARE = 1 / 8;

/** Maximum number of UTF-8 bytes of one UTF-16 code unit. */
const MAX_UTF8_BYTES = 3;

/**
 * The recent frames of one channel in one dialect, back to back in memory, for all readers. A reader has a place in the log. The
 * bytes after its place can be written to a socket as they are.
 *
 * A message is one text frame and has an offset. Offsets are consecutive except at a hole, which notices explain to the readers.
 */
export class FrameLog {
  readonly #minBytes: number;
  readonly #segmentBytes: number;
  readonly #slices = new FrameSlices();
  /** The oldest retained segment. The others follow by their `next`. */
  #oldest: FrameSegment;
  /** The oldest segment of the current epoch. */
  #first: FrameSegment;
  #last: FrameSegment;
  /** Size of all segments except the last one. */
  #bytes = 0;
  /** Memory of an evicted segment for the next one: the garbage collector releases long-lived memory late. */
  #spare: Buffer | undefined;

  /**
   * @param next offset of the first message.
   * @param minBytes minimum size of the retained frames.
   */
  constructor(next: number, minBytes: number, epoch = "") {
    this.#minBytes = minBytes;
    this.#segmentBytes = Math.min(MAX_SEGMENT_BYTES, Math.ceil(minBytes / MIN_SEGMENTS));
    const size = Math.min(FIRST_SEGMENT_BYTES, this.#segmentBytes);
    this.#oldest = this.#first = this.#last = createSegment(Buffer.allocUnsafeSlow(size), next, epoch, 0);
  }

  /** The current epoch. */
  get epoch(): string {
    return this.#last.epoch;
  }

  /** Offset of the oldest message of the current epoch that is retained. */
  get first(): number {
    return this.#first.firstOffset;
  }

  /** Offset of the next message. */
  get next(): number {
    return nextOffset(this.#last);
  }

  /** Appends a message. Returns the bytes of its frame. */
  push(text: string): number {
    const segment = this.#segmentFor(text);
    this.#slices.invalidate();
    return writeTextFrame(segment, text);
  }

  /** Continues at a later offset. Readers that are behind read the earlier messages, then `notices`, then later messages. */
  skipTo(next: number, notices: readonly string[], epoch = this.epoch): void {
    const size = notices.reduce((sum, text) => sum + MAX_HEADER_BYTES + MAX_UTF8_BYTES * text.length, 0);
    const segment = this.#add(Math.max(size, FIRST_SEGMENT_BYTES), next, epoch, notices.length);
    this.#slices.invalidate();
    for (const text of notices) writeTextFrame(segment, text);
  }

  /** Continues at any offset of another epoch. Later readers begin there; the others read as after {@link skipTo}. */
  restart(next: number, notices: readonly string[], epoch?: string): void {
    this.skipTo(next, notices, epoch);
    this.#first = this.#last;
  }

  /**
   * Returns the first possible offset of a place that is not below `offset`: before a message, or after the last message before
   * a hole, at which a reader reads the notices.
   * @param offset at most {@link next}.
   */
  nearest(offset: number): number {
    const segment = this.#segmentAt(offset);
    if (offset <= segment.firstOffset) return segment.firstOffset;
    const end = nextOffset(segment);
    return offset <= end ? offset : (segment.next?.firstOffset ?? end);
  }

  /** Returns a place before a message. @param offset as {@link nearest} returns it. */
  at(offset: number): FramePlace {
    const segment = this.#segmentAt(offset);
    const frame = segment.notices + offset - segment.firstOffset;
    let at = 0;
    for (let n = 0; n < frame; n++) at = frameEnd(segment.bytes, at);
    return new FramePlace(this.#slices, segment, at, frame);
  }

  /** Yields the texts of the messages from {@link first} on, the oldest first. */
  *messages(): Generator<{ readonly offset: number; readonly text: string }> {
    for (let segment: FrameSegment | undefined = this.#first; segment !== undefined; segment = segment.next) {
      let at = 0;
      for (let frame = 0; frame < segment.frames; frame++) {
        const end = frameEnd(segment.bytes, at);
        if (frame >= segment.notices) {
          const text = segment.bytes.toString("utf8", payloadStart(segment.bytes, at), end);
          yield { offset: segment.firstOffset + frame - segment.notices, text };
        }
        at = end;
      }
    }
  }

  /** Returns the last segment of the current epoch whose first offset is not above `offset`; otherwise the first segment. */
  #segmentAt(offset: number): FrameSegment {
    let segment = this.#first;
    while (segment.next !== undefined && segment.next.firstOffset <= offset) segment = segment.next;
    return segment;
  }

  #segmentFor(text: string): FrameSegment {
    const last = this.#last;
    const room = last.bytes.length - last.used - MAX_HEADER_BYTES;
    if (room >= MAX_UTF8_BYTES * text.length) return last;
    const length = Buffer.byteLength(text);
    if (room >= length) return last;
    const size = Math.min(2 * last.bytes.length, this.#segmentBytes);
    return this.#add(Math.max(size, MAX_HEADER_BYTES + length), this.next, last.epoch, 0);
  }

  #add(size: number, next: number, epoch: string, notices: number): FrameSegment {
    this.#releaseUnused(this.#last);
    const spare = this.#spare?.length === size ? this.#spare : undefined;
    if (spare !== undefined) this.#spare = undefined;
    const segment = createSegment(spare ?? Buffer.allocUnsafeSlow(size), next, epoch, notices);
    this.#bytes += retainedBytes(this.#last);
    this.#last.next = segment;
    this.#last = segment;
    while (this.#bytes - retainedBytes(this.#oldest) >= this.#minBytes) this.#evict();
    return segment;
  }

  /** Moves a complete segment into less memory if much of its memory is unused. */
  #releaseUnused(segment: FrameSegment): void {
    const { bytes, used } = segment;
    if (bytes.length - used <= bytes.length * MAX_UNUSED_SHARE) return;
    segment.bytes = Buffer.allocUnsafeSlow(used);
    bytes.copy(segment.bytes, 0, 0, used);
    this.#spare = bytes;
  }

  #evict(): void {
    const oldest = this.#oldest;
    oldest.isEvicted = true;
    this.#bytes -= retainedBytes(oldest);
    this.#spare = oldest.bytes;
    // The last segment is never evicted, so there is a next one.
    this.#oldest = oldest.next ?? this.#last;
    if (this.#first === oldest) this.#first = this.#oldest;
  }
}
