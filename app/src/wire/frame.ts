/**
 * Encoding of WebSocket frames as a server sends them: whole and unmasked.
 * @see https://www.rfc-editor.org/rfc/rfc6455#section-5.2
 */

/** FIN set: the frame is a whole message. */
const FIN = 0x80;

/** @see https://www.rfc-editor.org/rfc/rfc6455#section-11.8 */
export const Opcode = {
  continuation: 0x0,
  text: 0x1,
  binary: 0x2,
  close: 0x8,
  ping: 0x9,
  pong: 0xa,
} as const;
export type Opcode = (typeof Opcode)[keyof typeof Opcode];

/** Maximum payload lengths for the length fields of 7 and of 16 bits. */
const MAX_7_BIT_LENGTH = 125;
const MAX_16_BIT_LENGTH = 0xffff;

/** Values of the 7-bit length field that announce a longer field. */
export const LENGTH_IS_16_BIT = 126;
export const LENGTH_IS_64_BIT = 127;

/** Maximum payload of a Close, Ping or Pong frame. @see https://www.rfc-editor.org/rfc/rfc6455#section-5.5 */
export const MAX_CONTROL_PAYLOAD_BYTES = 125;

/** Maximum length of a header that a server sends. */
export const MAX_HEADER_BYTES = 10;

/** Returns the length of the header before a payload of `length` bytes. */
export function headerLength(length: number): number {
  return length <= MAX_7_BIT_LENGTH ? 2 : length <= MAX_16_BIT_LENGTH ? 4 : 10;
}

/** Writes the header of a frame. Returns the position after it. */
export function writeHeader(target: Buffer, at: number, opcode: Opcode, length: number): number {
  target[at] = FIN | opcode;
  if (length <= MAX_7_BIT_LENGTH) {
    target[at + 1] = length;
    return at + 2;
  }
  if (length <= MAX_16_BIT_LENGTH) {
    target[at + 1] = LENGTH_IS_16_BIT;
    return target.writeUInt16BE(length, at + 2);
  }
  target[at + 1] = LENGTH_IS_64_BIT;
  return target.writeBigUInt64BE(BigInt(length), at + 2);
}

/** Where the payload of an unmasked frame begins. */
export function payloadStart(bytes: Buffer, frame: number): number {
  const marker = bytes[frame + 1] ?? 0;
  return frame + (marker < LENGTH_IS_16_BIT ? 2 : marker === LENGTH_IS_16_BIT ? 4 : 10);
}

/** Returns the end of the unmasked frame that starts at `frame`. */
export function frameEnd(bytes: Buffer, frame: number): number {
  const marker = bytes[frame + 1] ?? 0;
  if (marker < LENGTH_IS_16_BIT) return frame + 2 + marker;
  if (marker === LENGTH_IS_16_BIT) return frame + 4 + bytes.readUInt16BE(frame + 2);
  return frame + 10 + Number(bytes.readBigUInt64BE(frame + 2));
}

/** Returns a text as one frame. */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(headerLength(length) + length);
  frame.write(text, writeHeader(frame, 0, Opcode.text, length));
  return frame;
}

/** Returns a Ping, Pong or Close frame. */
export function controlFrame(opcode: Opcode, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(2 + payload.length);
  frame.set(payload, writeHeader(frame, 0, opcode, payload.length));
  return frame;
}

/** Returns a Close frame. @param code `undefined` for a frame without a code and a reason. */
export function closeFrame(code: number | undefined, reason: string): Buffer {
  if (code === undefined) return controlFrame(Opcode.close, Buffer.alloc(0));
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
  payload.write(reason, payload.writeUInt16BE(code));
  return controlFrame(Opcode.close, payload);
}
