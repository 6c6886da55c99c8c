/**
 * The recent frames of one channel in one dialect, back to back in memory, for all readers together. A reader is a
 * place in it; what lies between its place and the end is a slice that can be written to a socket as it is.
 */
import {
  frameEnd,
  headerLength,
  MAX_HEADER_BYTES,
  Opcode,
  payloadStart,
  writeHeader,
} from "../wire/frame.ts";

/** Frames lie in segments that grow with the channel, so that a quiet one costs little. */
const FIRST_SEGMENT_BYTES = 4 * 1024;
const LARGEST_SEGMENT_BYTES = 64 * 1024;

/** Segments into which what must be kept is divided at least: the log forgets one at a time. */
const LEAST_SEGMENTS = 8;

/** A slice takes no further segment beyond this length: what waits in a slow reader's socket is bounded by it. */
export const MAX_SLICE_BYTES = 64 * 1024;

/** A segment that is complete keeps at most this share of its memory unused. */
const MAX_UNUSED_SHARE = 1 / 8;

/** What a segment takes beside its bytes. It counts if there may be many small ones: those that begin behind a hole. */
const SEGMENT_OVERHEAD_BYTES = 512;

/** Of one UTF-16 code unit. */
const MAX_UTF8_BYTES = 3;

/** Frames that lie back to back. The bytes are shared with other readers and must not be changed. */
export interface Slice {
  readonly bytes: Buffer;
  readonly frames: number;
}

/** A piece of the log. */
interface Segment {
  /** Unchanged up to {@link used}. */
  bytes: Buffer;
  /** Offset of the first message that begins here. Frames that are no messages lie before it. */
  readonly firstOffset: number;
  /** Frames before the first message. */
  readonly notices: number;
  /** All frames, notices included. */
  frames: number;
  used: number;
  next: Segment | undefined;
  /** Its bytes are another's now. */
  evicted: boolean;
}

/** A slice, and between which places it lies. */
interface KnownSlice {
  readonly slice: Slice;
  readonly segment: Segment;
  readonly at: number;
  /** Of the log, when it was made. */
  readonly pushes: number;
  readonly endSegment: Segment;
  readonly endAt: number;
  readonly endFrame: number;
}

export class FrameLog {
  readonly #minBytes: number;
  readonly #segmentBytes: number;
  /** The oldest that is kept; the others follow by their `next`. */
  #oldest: Segment;
  /** The oldest of the present numbering. */
  #first: Segment;
  #last: Segment;
  /** Of all but the last. */
  #bytes = 0;
  /** Of another segment that needs it no more, for the next one: memory that lives as long is slow to come back from the garbage collector. */
  #spare: Buffer | undefined;
  #pushes = 0;
  /** The last one that was asked for: readers that keep up are all at the same place in a turn. */
  #known: KnownSlice | undefined;

  /**
   * @param next offset of the first message.
   * @param minBytes least that is kept, of the newest frames.
   */
  constructor(next: number, minBytes: number) {
    this.#minBytes = minBytes;
    this.#segmentBytes = Math.min(LARGEST_SEGMENT_BYTES, Math.ceil(minBytes / LEAST_SEGMENTS));
    const size = Math.min(FIRST_SEGMENT_BYTES, this.#segmentBytes);
    this.#oldest = this.#first = this.#last = segmentOf(Buffer.allocUnsafeSlow(size), next, 0);
  }

  /** Offset of the oldest message that can be read up to the end, through the holes that notices tell of. */
  get first(): number {
    return this.#first.firstOffset;
  }

  /** Offset of the next message. */
  get next(): number {
    return nextOffset(this.#last);
  }

  /** Adds a message as a text frame, and returns the frame's bytes. */
  push(text: string): number {
    const segment = this.#roomFor(text);
    this.#pushes += 1;
    return write(segment, text);
  }

  /**
   * Goes on at a later offset. Readers that are behind still read what came before, then `notices`, then what follows.
   */
  skipTo(next: number, notices: readonly string[]): void {
    const size = notices.reduce((sum, text) => sum + MAX_HEADER_BYTES + MAX_UTF8_BYTES * text.length, 0);
    const segment = this.#add(Math.max(size, FIRST_SEGMENT_BYTES), next, notices.length);
    this.#pushes += 1;
    for (const text of notices) write(segment, text);
  }

  /** The same at any offset, of a new numbering: who comes from now on begins there. */
  restart(next: number, notices: readonly string[]): void {
    this.skipTo(next, notices);
    this.#first = this.#last;
  }

  /**
   * The first offset, not below `offset`, that a reader can begin at: before a message, or behind the last one before a
   * hole, so that it reads the notices.
   * @param offset at most {@link next}.
   */
  nearest(offset: number): number {
    const segment = this.#segmentAt(offset);
    if (offset <= segment.firstOffset) return segment.firstOffset;
    const end = nextOffset(segment);
    return offset <= end ? offset : (segment.next?.firstOffset ?? end);
  }

  /** A place before the message `offset`, which must be as {@link nearest} gives it. */
  at(offset: number): FramePlace {
    const segment = this.#segmentAt(offset);
    const frame = segment.notices + offset - segment.firstOffset;
    let at = 0;
    for (let n = 0; n < frame; n++) at = frameEnd(segment.bytes, at);
    return new FramePlace(this, segment, at, frame);
  }

  /** The messages from {@link first} on, oldest first, as they were pushed. */
  *messages(): Generator<{ readonly offset: number; readonly text: string }> {
    for (let segment: Segment | undefined = this.#first; segment !== undefined; segment = segment.next) {
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

  /** What lies ahead of a place that is neither lost nor at the end: whole frames, and up to the end if that is near. */
  sliceFrom(segment: Segment, at: number, frame: number): KnownSlice {
    const known = this.#known;
    if (known?.segment === segment && known.at === at && known.pushes === this.#pushes) return known;

    let bytes = segment.used - at;
    let frames = segment.frames - frame;
    let endSegment = segment;
    for (let next = segment.next; next !== undefined; next = next.next) {
      if (bytes + next.used > MAX_SLICE_BYTES) break;
      bytes += next.used;
      frames += next.frames;
      endSegment = next;
    }
    // A copy, made once for all that are level: the segment itself is used again.
    const copy = Buffer.allocUnsafe(bytes);
    let copied = segment.bytes.copy(copy, 0, at, segment.used);
    for (let next = segment; next !== endSegment && next.next !== undefined;) {
      next = next.next;
      copied += next.bytes.copy(copy, copied, 0, next.used);
    }
    this.#known = {
      slice: { bytes: copy, frames },
      segment,
      at,
      pushes: this.#pushes,
      endSegment,
      endAt: endSegment.used,
      endFrame: endSegment.frames,
    };
    return this.#known;
  }

  /** The last one of the present numbering that begins at `offset` or before it; the first where none does. */
  #segmentAt(offset: number): Segment {
    let segment = this.#first;
    while (segment.next !== undefined && segment.next.firstOffset <= offset) segment = segment.next;
    return segment;
  }

  #roomFor(text: string): Segment {
    const last = this.#last;
    const room = last.bytes.length - last.used - MAX_HEADER_BYTES;
    if (room >= MAX_UTF8_BYTES * text.length) return last;
    const length = Buffer.byteLength(text);
    if (room >= length) return last;
    const size = Math.min(2 * last.bytes.length, this.#segmentBytes);
    return this.#add(Math.max(size, MAX_HEADER_BYTES + length), this.next, 0);
  }

  #add(size: number, next: number, notices: number): Segment {
    this.#releaseUnused(this.#last);
    const spare = this.#spare?.length === size ? this.#spare : undefined;
    if (spare !== undefined) this.#spare = undefined;
    const segment = segmentOf(spare ?? Buffer.allocUnsafeSlow(size), next, notices);
    this.#bytes += keptBytes(this.#last);
    this.#last.next = segment;
    this.#last = segment;
    while (this.#bytes - keptBytes(this.#oldest) >= this.#minBytes) this.#evict();
    return segment;
  }

  /** Moves a segment that is complete into as much memory as it needs, if it has much more. */
  #releaseUnused(segment: Segment): void {
    const { bytes, used } = segment;
    if (bytes.length - used <= bytes.length * MAX_UNUSED_SHARE) return;
    segment.bytes = Buffer.allocUnsafeSlow(used);
    bytes.copy(segment.bytes, 0, 0, used);
    this.#spare = bytes;
  }

  #evict(): void {
    const oldest = this.#oldest;
    oldest.evicted = true;
    this.#bytes -= keptBytes(oldest);
    this.#spare = oldest.bytes;
    // A slice that began in it would hold on to all that follows.
    if (this.#known?.segment === oldest) this.#known = undefined;
    // The last segment is never evicted, so there is a next one.
    this.#oldest = oldest.next ?? this.#last;
    if (this.#first === oldest) this.#first = this.#oldest;
  }
}

/** A reader's place. */
export class FramePlace {
  readonly #log: FrameLog;
  #segment: Segment;
  /** In bytes of the segment. */
  #at: number;
  /** In frames of the segment. */
  #frame: number;

  constructor(log: FrameLog, segment: Segment, at: number, frame: number) {
    this.#log = log;
    this.#segment = segment;
    this.#at = at;
    this.#frame = frame;
  }

  /** Whether what comes next is no longer kept. Such a place holds on to all that followed: it is to be dropped. */
  get lost(): boolean {
    const segment = this.#here();
    return segment.evicted && this.#at < segment.used;
  }

  /** Bytes that lie ahead. */
  get lagBytes(): number {
    let bytes = -this.#at;
    for (let segment: Segment | undefined = this.#segment; segment !== undefined; segment = segment.next) {
      bytes += segment.used;
    }
    return bytes;
  }

  /** Takes what lies ahead, or a part of it. `undefined` at the end of the log, and where it is lost. */
  read(): Slice | undefined {
    const segment = this.#here();
    if (segment.evicted || this.#at === segment.used) return undefined;
    const { slice, endSegment, endAt, endFrame } = this.#log.sliceFrom(segment, this.#at, this.#frame);
    this.#segment = endSegment;
    this.#at = endAt;
    this.#frame = endFrame;
    return slice;
  }

  /** The segment of what comes next, where that is there already. */
  #here(): Segment {
    let segment = this.#segment;
    while (this.#at === segment.used && segment.next !== undefined) {
      segment = this.#segment = segment.next;
      this.#at = this.#frame = 0;
    }
    return segment;
  }
}

function segmentOf(bytes: Buffer, firstOffset: number, notices: number): Segment {
  return { bytes, firstOffset, notices, frames: 0, used: 0, next: undefined, evicted: false };
}

/** Offset of the message behind those of a segment. */
function nextOffset({ firstOffset, frames, notices }: Segment): number {
  return firstOffset + frames - notices;
}

/** What a segment counts for. */
function keptBytes({ used, notices }: Segment): number {
  return notices === 0 ? used : used + SEGMENT_OVERHEAD_BYTES;
}

/** Adds a text frame to a segment that has room for it, and returns the frame's bytes. */
function write(segment: Segment, text: string): number {
  const { bytes, used: start } = segment;
  // As it is for ASCII, which nearly all text is: so that the text is not gone through twice.
  const assumed = headerLength(text.length);
  const length = bytes.write(text, start + assumed);
  const header = headerLength(length);
  if (header !== assumed) bytes.copyWithin(start + header, start + assumed, start + assumed + length);
  writeHeader(bytes, start, Opcode.text, length);
  segment.used = start + header + length;
  segment.frames += 1;
  return header + length;
}
