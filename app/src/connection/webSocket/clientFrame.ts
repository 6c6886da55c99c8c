/**
 * Reading of the frames that clients send: where one ends, and what its payload is.
 * @see https://www.rfc-editor.org/rfc/rfc6455#section-5.2
 */
import { isUtf8 } from "node:buffer";

import { LENGTH_IS_16_BIT, LENGTH_IS_64_BIT, MAX_CONTROL_PAYLOAD_BYTES, Opcode } from "../../wire/frame.ts";

/** First byte of a frame: it is the last one of its message, three reserved bits, and the opcode. */
const FIN = 0x80;
const RESERVED = 0x70;
const OPCODE = 0x0f;
/** Second byte: the payload is masked, as a client's must be, and its length. */
const MASKED = 0x80;
const LENGTH = 0x7f;

const MASK_BYTES = 4;

/** End of a frame that RFC 6455 or the size limit forbids. */
export const BROKEN = Infinity;

const REPLACEMENT_CHARACTER = "\ufffd";

export function opcodeOf(bytes: Buffer, at: number): number {
  return (bytes[at] ?? 0) & OPCODE;
}

export function isFinal(bytes: Buffer, at: number): boolean {
  return ((bytes[at] ?? 0) & FIN) !== 0;
}

/** Whether the length of the frame at `at` takes 64 bits. */
export function isLong(bytes: Buffer, at: number): boolean {
  return ((bytes[at + 1] ?? 0) & LENGTH) === LENGTH_IS_64_BIT;
}

/** Bytes before the payload of the frame at `at`. */
export function headerBytes(bytes: Buffer, at: number): number {
  const length = (bytes[at + 1] ?? 0) & LENGTH;
  const extended = length < LENGTH_IS_16_BIT ? 0 : length === LENGTH_IS_16_BIT ? 2 : 8;
  return 2 + extended + MASK_BYTES;
}

/**
 * Position at which the frame at `at` ends. If the header is incomplete, it is the position at which more of the header
 * can be read. {@link BROKEN} as soon as the bytes suffice to see that.
 * @param available end of the bytes that have arrived.
 * @param maxPayloadBytes largest payload that the frame may have, if it is not a control frame.
 * @param isContinued whether a message in fragments has begun and not ended.
 */
export function frameEnd(
  bytes: Buffer,
  at: number,
  available: number,
  maxPayloadBytes: number,
  isContinued: boolean,
): number {
  if (available < at + 2) return at + 2;
  const first = bytes[at] ?? 0;
  const second = bytes[at + 1] ?? 0;
  if ((first & RESERVED) !== 0 || (second & MASKED) === 0) return BROKEN;

  const opcode = first & OPCODE;
  let length = second & LENGTH;
  let header = 2;
  if (opcode >= Opcode.close) {
    const isWhole = (first & FIN) !== 0 && length <= MAX_CONTROL_PAYLOAD_BYTES;
    // A Close frame has no payload, or begins with a code of two bytes.
    if (opcode > Opcode.pong || !isWhole || (opcode === Opcode.close && length === 1)) return BROKEN;
  } else {
    if (opcode > Opcode.binary || (opcode === Opcode.continuation) !== isContinued) return BROKEN;
    if (length === LENGTH_IS_16_BIT) {
      header = 4;
      if (available < at + header) return at + header;
      length = bytes.readUInt16BE(at + 2);
    } else if (length === LENGTH_IS_64_BIT) {
      header = 10;
      if (available < at + header) return at + header;
      length = bytes.readUInt32BE(at + 2) * 2 ** 32 + bytes.readUInt32BE(at + 6);
    }
    if (length > maxPayloadBytes) return BROKEN;
  }
  return at + header + MASK_BYTES + length;
}

/** The text that bytes encode; `undefined` if they are not UTF-8. */
export function decode(bytes: Buffer, start: number, end: number): string | undefined {
  const text = bytes.toString("utf8", start, end);
  // Bytes that are not UTF-8 are decoded to this character. A text without it needs no second look.
  return text.includes(REPLACEMENT_CHARACTER) && !isUtf8(bytes.subarray(start, end)) ? undefined : text;
}

/** Unmasks a payload in place; the mask lies before it. */
export function unmask(bytes: Buffer, start: number, end: number): void {
  const a = bytes[start - 4] ?? 0;
  const b = bytes[start - 3] ?? 0;
  const c = bytes[start - 2] ?? 0;
  const d = bytes[start - 1] ?? 0;
  let at = start;
  for (; at + 3 < end; at += 4) {
    // The indexes are in range, which the types cannot know.
    bytes[at] = (bytes[at] ?? 0) ^ a;
    bytes[at + 1] = (bytes[at + 1] ?? 0) ^ b;
    bytes[at + 2] = (bytes[at + 2] ?? 0) ^ c;
    bytes[at + 3] = (bytes[at + 3] ?? 0) ^ d;
  }
  if (at < end) bytes[at] = (bytes[at] ?? 0) ^ a;
  if (at + 1 < end) bytes[at + 1] = (bytes[at + 1] ?? 0) ^ b;
  if (at + 2 < end) bytes[at + 2] = (bytes[at + 2] ?? 0) ^ c;
}
