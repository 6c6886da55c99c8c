/** WebSocket frames (RFC 6455, section 5.2). */

export const OPCODES = { text: 0x1, close: 0x8, ping: 0x9, pong: 0xa } as const;

const FIN = 0x80;
const RESERVED_BITS = 0x70;
const OPCODE_BITS = 0x0f;
const MASKED = 0x80;
const LENGTH_BITS = 0x7f;
const SHORT_HEADER_BYTES = 2;
/** These lengths announce an extended length of 2 bytes, or of 8. */
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const MASK_BYTES = 4;

/** A constant mask is enough: random masks protect proxies from hostile pages (RFC 6455, section 10.3). */
const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);

/** The position of a frame in the received bytes. */
export interface Frame {
  readonly opcode: number;
  /** Index of the payload's first byte. */
  readonly payload: number;
  /** Index behind the payload's last byte. */
  readonly end: number;
}

/**
 * Reads the header of the server's frame that begins at `start`.
 * @returns `undefined` if the frame is incomplete.
 * @throws {Error} if a server must not send the frame, or if it is a fragment, which the generator does not support.
 */
export function readFrame(bytes: Buffer, start: number): Frame | undefined {
  const available = bytes.length - start;
  if (available < SHORT_HEADER_BYTES) return undefined;
  const first = bytes.readUInt8(start);
  const second = bytes.readUInt8(start + 1);
  if ((first & RESERVED_BITS) !== 0) throw new Error("a frame has a reserved bit set");
  if ((first & FIN) === 0) throw new Error("a message is fragmented");
  if ((second & MASKED) !== 0) throw new Error("a frame of the server is masked");

  let length = second & LENGTH_BITS;
  let header = SHORT_HEADER_BYTES;
  if (length === LENGTH_16) {
    header += 2;
    if (available < header) return undefined;
    length = bytes.readUInt16BE(start + SHORT_HEADER_BYTES);
  } else if (length === LENGTH_64) {
    header += 8;
    if (available < header) return undefined;
    length = Number(bytes.readBigUInt64BE(start + SHORT_HEADER_BYTES));
  }
  if (available < header + length) return undefined;
  return { opcode: first & OPCODE_BITS, payload: start + header, end: start + header + length };
}

/** A frame of a server. */
export function serverFrame(payload: Buffer, opcode: number = OPCODES.text): Buffer {
  return Buffer.concat([header(payload.length, opcode, 0), payload]);
}

/** A frame of a client, which is masked. */
export function clientFrame(payload: Buffer, opcode: number = OPCODES.text): Buffer {
  const frame = Buffer.concat([header(payload.length, opcode, MASKED), MASK, payload]);
  mask(frame, frame.length - payload.length);
  return frame;
}

/** Masks or unmasks the payload, which begins at `start`. */
export function mask(frame: Buffer, start: number): void {
  for (let index = start; index < frame.length; index++) {
    frame.writeUInt8(frame.readUInt8(index) ^ maskAt(index - start), index);
  }
}

/** The mask's byte for the payload's byte at `index`. */
export function maskAt(index: number): number {
  return MASK.readUInt8(index % MASK_BYTES);
}

function header(length: number, opcode: number, masked: number): Buffer {
  if (length < LENGTH_16) return Buffer.from([FIN | opcode, masked | length]);
  if (length <= 0xffff) {
    const bytes = Buffer.from([FIN | opcode, masked | LENGTH_16, 0, 0]);
    bytes.writeUInt16BE(length, SHORT_HEADER_BYTES);
    return bytes;
  }
  const bytes = Buffer.concat([Buffer.from([FIN | opcode, masked | LENGTH_64]), Buffer.alloc(8)]);
  bytes.writeBigUInt64BE(BigInt(length), SHORT_HEADER_BYTES);
  return bytes;
}
