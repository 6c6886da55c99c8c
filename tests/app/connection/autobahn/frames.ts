/** Cases and their frames: how a client writes them, and how the server's are described. */
import { createHash } from "node:crypto";

import { Opcode } from "../../../../app/src/wire/frame.ts";
import { clientFrame } from "../../support/rawClient.ts";

const { binary, close, continuation, ping, pong, text } = Opcode;

const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);
const NOT_FINAL = 0x7f;
const MAX_SHOWN_CHARACTERS = 80;

/** One case of the suite, or the same case with other values. */
export type AutobahnCase = readonly [
  id: string,
  what: string,
  sends: readonly Buffer[],
  /** The server's frames. If they include no Close frame, the client closes with 1000 at the end. */
  receives: readonly string[],
  /** The reason for a result that differs from the suite's. */
  deviation?: string,
];

export const HELLO = "Hello, world!";

export const READS_BINARY_AS_TEXT = "Binary messages are read as text, because every message is JSON.";

type Payload = Uint8Array | string;

/** @param rsv the three reserved bits. */
function frame(opcode: number, payload: Payload = "", { fin = true, rsv = 0 } = {}): Buffer {
  const bytes = clientFrame(opcode, payload, MASK);
  const first = bytes.readUInt8() | (rsv << 4);
  bytes.writeUInt8(fin ? first : first & NOT_FINAL);
  return bytes;
}

/** A frame with each opcode, by its name; the frames in `first` and `middle` lack the FIN bit. */
export const send = {
  frame,
  text: (payload: Payload) => frame(text, payload),
  binary: (payload: Payload) => frame(binary, payload),
  ping: (payload: Payload = "") => frame(ping, payload),
  pong: (payload: Payload = "") => frame(pong, payload),
  first: (payload: Payload, opcode: number = text) => frame(opcode, payload, { fin: false }),
  middle: (payload: Payload) => frame(continuation, payload, { fin: false }),
  last: (payload: Payload) => frame(continuation, payload),
  close: (code?: number, reason: Payload = "") => frame(close, closePayload(code, reason)),
  /** A message in fragments of so many bytes. */
  fragments(payload: Payload, size: number, opcode: number = text): readonly Buffer[] {
    const bytes = Buffer.from(payload);
    const frames: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      const fin = at + size >= bytes.length;
      frames.push(frame(at === 0 ? opcode : continuation, bytes.subarray(at, at + size), { fin }));
    }
    return frames;
  },
};

function closePayload(code: number | undefined, reason: Payload): Buffer {
  if (code === undefined) return Buffer.from(reason);
  return Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)]);
}

/** The descriptions of the frames that a case expects from the server. */
export const expect = {
  text: (payload: Payload) => `text ${summarize(Buffer.from(payload))}`,
  pong: (payload: Payload = "") => `pong ${summarize(Buffer.from(payload))}`,
  close: (code?: number) => `close ${code ?? "without a code"}`,
};

export const PROTOCOL_ERROR = [expect.close(1002)];
export const INVALID_TEXT = [expect.close(1007)];

/** Describes the frames that the server has written. */
export function describeFrames(bytes: Buffer): readonly string[] {
  const frames: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const first = bytes.readUInt8(at);
    let length = bytes.readUInt8(at + 1);
    let start = at + 2;
    if (length === 126) {
      length = bytes.readUInt16BE(start);
      start += 2;
    } else if (length === 127) {
      length = Number(bytes.readBigUInt64BE(start));
      start += 8;
    }
    frames.push(describeFrame(first, bytes.subarray(start, start + length)));
    at = start + length;
  }
  return frames;
}

function describeFrame(first: number, payload: Buffer): string {
  switch (first) {
    case 0x80 | text:
      return expect.text(payload);
    case 0x80 | pong:
      return expect.pong(payload);
    case 0x80 | close:
      return expect.close(payload.length === 0 ? undefined : payload.readUInt16BE());
    default:
      return `first byte ${first.toString(16)}: ${summarize(payload)}`;
  }
}

function summarize(payload: Buffer): string {
  if (payload.length <= MAX_SHOWN_CHARACTERS) return JSON.stringify(payload.toString("latin1"));
  return `of ${payload.length} bytes, SHA-1 ${createHash("sha1").update(payload).digest("hex")}`;
}
