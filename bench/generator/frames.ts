/** WebSocket frames (RFC 6455, section 5.2), as far as a generator needs them. */

export const OPCODES = { text: 0x1, close: 0x8, ping: 0x9, pong: 0xa } as const;

const FIN = 0x80;
const RESERVED_BITS = 0x70;
const OPCODE_BITS = 0x0f;
const MASKED = 0x80;
const LENGTH_BITS = 0x7f;
const SHORT_HEADER_BYTES = 2;
/** In place of a length: it follows in 2 bytes, or in 8. */
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const MASK_BYTES = 4;

/** Any will do: it protects proxies from hostile pages, and there are neither here. */
const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);

/** Where a frame lies in the bytes that it was read from. */
export interface Frame {
  readonly opcode: number;
  /** Index of the payload's first byte. */
  readonly payload: number;
  /** Index behind the payload's last byte. */
  readonly end: number;
}

/**
 * Reads the header of the server's frame that begins at `start`.
 * @returns `undefined` where the frame is not complete yet.
 * @throws {Error} where a server must not send such a frame, or this generator does not take it: a fragment.
 */
export function readFrame(bytes: Buffer, start: number): Frame | undefined {
  const available = bytes.length - start;
  if (available < SHORT_HEADER_BYTES) return undefined;
  const first = bytes.readUInt8(start);
  const second = bytes.readUInt8(start + 1);
  if ((first & RESERVED_BITS) !== 0) throw new Error("a frame has a reserved bit set");
  if ((first & FIN) === 0) throw new Error("a message came in fragments");
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

/** A whole frame as a server sends it. */
export function serverFrame(payload: Buffer, opcode: number = OPCODES.text): Buffer {
  return Buffer.concat([header(payload.length, opcode, 0), payload]);
}

/** A whole frame as a client sends it, masked. */
export function clientFrame(payload: Buffer, opcode: number = OPCODES.text): Buffer {
  const frame = Buffer.concat([header(payload.length, opcode, MASKED), MASK, payload]);
  mask(frame, frame.length - payload.length);
  return frame;
}

/** Masks what lies behind `start`, where a payload begins; or unmasks it. */
export function mask(frame: Buffer, start: number): void {
  for (let index = start; index < frame.length; index++) {
    frame.writeUInt8(frame.readUInt8(index) ^ maskAt(index - start), index);
  }
}

/** The byte of the mask for the payload's byte at `index`. */
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
