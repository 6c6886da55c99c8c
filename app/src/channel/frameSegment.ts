import { headerLength, Opcode, writeHeader } from "../wire/frame.ts";

/** Overhead of a segment in bytes. It matters if there are many small segments: those after a hole. */
const OVERHEAD_BYTES = 512;

/** Consecutive frames in one buffer, as part of a linked list. */
export interface FrameSegment {
  /** The frames. They never change up to {@link used}. */
  bytes: Buffer;
  /** Offset of the first message in this segment. Notices come before it. */
  readonly firstOffset: number;
  /** Epoch of the messages. */
  readonly epoch: string;
  /** Number of frames before the first message. */
  readonly notices: number;
  /** Number of all frames, including notices. */
  frames: number;
  used: number;
  next: FrameSegment | undefined;
  /** Whether {@link bytes} contains other frames now. */
  isEvicted: boolean;
}

/** Creates an empty segment in `bytes`. */
export function createSegment(
  bytes: Buffer,
  firstOffset: number,
  epoch: string,
  notices: number,
): FrameSegment {
  return { bytes, firstOffset, epoch, notices, frames: 0, used: 0, next: undefined, isEvicted: false };
}

/** Returns the offset of the message after those of a segment. */
export function nextOffset({ firstOffset, frames, notices }: FrameSegment): number {
  return firstOffset + frames - notices;
}

/** Returns the bytes that a segment counts for in the size of its log. */
export function retainedBytes({ used, notices }: FrameSegment): number {
  return notices === 0 ? used : used + OVERHEAD_BYTES;
}

/** Appends a text frame to a segment, which must have room for it. Returns the bytes of the frame. */
export function writeTextFrame(segment: FrameSegment, text: string): number {
  const { bytes, used: start } = segment;
  // The length for ASCII, which nearly all text is. The text need not be measured first.
  const assumed = headerLength(text.length);
  const length = bytes.write(text, start + assumed);
  const header = headerLength(length);
  if (header !== assumed) bytes.copyWithin(start + header, start + assumed, start + assumed + length);
  writeHeader(bytes, start, Opcode.text, length);
  segment.used = start + header + length;
  segment.frames += 1;
  return header + length;
}
