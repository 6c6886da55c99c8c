/**
 * The encoding of the frames that clients send: the end of a frame, and its payload.
 * @see https://www.rfc-editor.org/rfc/rfc6455#section-5.2
 */
import { isUtf8 } from "node:buffer";

import { LENGTH_IS_16_BIT, LENGTH_IS_64_BIT, MAX_CONTROL_PAYLOAD_BYTES, Opcode } from "../../wire/frame.ts";

/** First byte of a frame: the bit of the last frame of a message, three reserved bits, and the opcode. */
const FIN = 0x80;
const RESERVED = 0x70;
const OPCODE = 0x0f;
/** Second byte: the bit of a masked payload, which a client must set, and the length of the payload. */
const MASKED = 0x80;
const LENGTH = 0x7f;

const MASK_BYTES = 4;

/** The end of a frame that violates RFC 6455 or the size limit. */
export const MALFORMED = Infinity;

const REPLACEMENT_CHARACTER = "\ufffd";

export function readOpcode(bytes: Buffer, at: number): number {
  return (bytes[at] ?? 0) & OPCODE;
}

export function isFinal(bytes: Buffer, at: number): boolean {
  return ((bytes[at] ?? 0) & FIN) !== 0;
}

/** Whether the frame at `at` has a length of 64 bits. */
export function isLong(bytes: Buffer, at: number): boolean {
  return ((bytes[at + 1] ?? 0) & LENGTH) === LENGTH_IS_64_BIT;
}

/** Returns the number of bytes before the payload of the frame at `at`. */
export function measureHeader(bytes: Buffer, at: number): number {
  const length = (bytes[at + 1] ?? 0) & LENGTH;
  const extended = length < LENGTH_IS_16_BIT ? 0 : length === LENGTH_IS_16_BIT ? 2 : 8;
  return 2 + extended + MASK_BYTES;
}

/**
 * Returns the position at which the frame at `at` ends. If the header is incomplete, returns the position up to which bytes
 * are needed. Returns {@link MALFORMED} as soon as the bytes suffice to detect that.
 * @param available end of the bytes that have arrived.
 * @param maxPayloadBytes maximum payload of the frame, if it is not a control frame.
 * @param isContinued whether a message in fragments has begun and not ended.
 */
export function findFrameEnd(
  bytes: Buffer,
  at: number,
  available: number,
  maxPayloadBytes: number,
  isContinued: boolean,
): number {
  if (available < at + 2) return at + 2;
  const first = bytes[at] ?? 0;
  const second = bytes[at + 1] ?? 0;
  if ((first & RESERVED) !== 0 || (second & MASKED) === 0) return MALFORMED;

  const opcode = first & OPCODE;
  let length = second & LENGTH;
  let header = 2;
  if (opcode >= Opcode.close) {
    const isWhole = (first & FIN) !== 0 && length <= MAX_CONTROL_PAYLOAD_BYTES;
    // A Close frame has no payload, or begins with a code of two bytes.
    if (opcode > Opcode.pong || !isWhole || (opcode === Opcode.close && length === 1)) return MALFORMED;
  } else {
    if (opcode > Opcode.binary || (opcode === Opcode.continuation) !== isContinued) return MALFORMED;
    if (length === LENGTH_IS_16_BIT) {
      header = 4;
      if (available < at + header) return at + header;
      length = bytes.readUInt16BE(at + 2);
    } else if (length === LENGTH_IS_64_BIT) {
      header = 10;
      if (available < at + header) return at + header;
      length = bytes.readUInt32BE(at + 2) * 2 ** 32 + bytes.readUInt32BE(at + 6);
    }
    if (length > maxPayloadBytes) return MALFORMED;
  }
  return at + header + MASK_BYTES + length;
}

/** Returns the text that the bytes encode; `undefined` if they are not UTF-8. */
export function decodeUtf8(bytes: Buffer, start: number, end: number): string | undefined {
  const text = bytes.toString("utf8", start, end);
  // Bytes that are not UTF-8 are decoded to this character. A text without it needs no further check.
  return text.includes(REPLACEMENT_CHARACTER) && !isUtf8(bytes.subarray(start, end)) ? undefined : text;
}

/** Unmasks a payload in place, with the mask before it. */
export function unmask(bytes: Buffer, start: number, end: number): void {
  const a = bytes[start - 4] ?? 0;
  const b = bytes[start - 3] ?? 0;
  const c = bytes[start - 2] ?? 0;
  const d = bytes[start - 1] ?? 0;
  let at = start;
  for (; at + 3 < end; at += 4) {
    // The indexes are in range, but the types do not express that.
    bytes[at] = (bytes[at] ?? 0) ^ a;
    bytes[at + 1] = (bytes[at + 1] ?? 0) ^ b;
    bytes[at + 2] = (bytes[at + 2] ?? 0) ^ c;
    bytes[at + 3] = (bytes[at + 3] ?? 0) ^ d;
  }
  if (at < end) bytes[at] = (bytes[at] ?? 0) ^ a;
  if (at + 1 < end) bytes[at + 1] = (bytes[at + 1] ?? 0) ^ b;
  if (at + 2 < end) bytes[at + 2] = (bytes[at + 2] ?? 0) ^ c;
}
