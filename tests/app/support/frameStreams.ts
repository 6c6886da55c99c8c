/** Random streams of frames as clients could send them: valid, malformed and damaged. */
import fc from "fast-check";

export interface Frame {
  readonly opcode: number;
  readonly fin: boolean;
  readonly rsv: number;
  readonly masked: boolean;
  readonly payload: Uint8Array;
  /** Bytes of the length field beyond the second byte; more than needed breaks no rule that servers enforce. */
  readonly lengthBytes: 0 | 2 | 8;
}

export function encodeFrame({ opcode, fin, rsv, masked, payload, lengthBytes }: Frame): Buffer {
  const needed = payload.length < 126 ? 0 : payload.length < 65_536 ? 2 : 8;
  const bytes = Math.max(needed, lengthBytes);
  const marker = bytes === 0 ? payload.length : bytes === 2 ? 126 : 127;
  const length = Buffer.alloc(bytes);
  if (bytes === 2) length.writeUInt16BE(payload.length);
  if (bytes === 8) length.writeBigUInt64BE(BigInt(payload.length));
  const mask = Buffer.from(masked ? [0x12, 0x9b, 0x3c, 0xff] : []);
  return Buffer.concat([
    Buffer.from([(fin ? 0x80 : 0) | (rsv << 4) | opcode, (masked ? 0x80 : 0) | marker]),
    length,
    mask,
    payload.map((byte, n) => byte ^ (mask[n % 4] ?? 0)),
  ]);
}

export const utf8 = (text: string): Uint8Array => Buffer.from(text.toWellFormed());

const textPayload = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: "binary", maxLength: 20 }).map(utf8) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(0, 9, 10, 11, 124, 125, 126, 127, 1000, 65_535, 65_536)
      .map((n) => utf8("é".repeat(n / 2) + "x".repeat(n % 2))),
  },
);
const anyPayload = fc.oneof(textPayload, fc.uint8Array({ maxLength: 140 }));
const controlPayload = fc.uint8Array({ maxLength: 125 });
const lengthBytes = fc.constantFrom<0 | 2 | 8>(0, 0, 0, 0, 0, 2, 8);
export const orderly = { rsv: 0, masked: true } as const;

const controlFrame = fc.record({
  ...{
    rsv: fc.constant(0),
    masked: fc.constant(true),
    fin: fc.constant(true),
    lengthBytes: fc.constant<0 | 2 | 8>(0),
  },
  opcode: fc.constantFrom(0x9, 0xa),
  payload: controlPayload,
});

/** A message in one or more frames, controls among them. */
const message = fc
  .record({
    opcode: fc.constantFrom(0x1, 0x1, 0x2),
    payload: fc.oneof({ weight: 6, arbitrary: textPayload }, { weight: 1, arbitrary: anyPayload }),
    cuts: fc.oneof(fc.constant<number[]>([]), fc.array(fc.nat(200), { maxLength: 4 })),
    between: fc.oneof(fc.constant<Frame[]>([]), fc.array(controlFrame, { maxLength: 2 })),
    lengthBytes,
  })
  .map(({ opcode, payload, cuts, between, lengthBytes: field }) => {
    const places = [
      0,
      ...cuts.map((cut) => cut % (payload.length + 1)).toSorted((a, b) => a - b),
      payload.length,
    ];
    const last = places.length - 2;
    return places.slice(0, -1).flatMap((place, n): Frame[] => {
      const part = payload.subarray(place, places[n + 1]);
      const frame = {
        ...orderly,
        opcode: n === 0 ? opcode : 0,
        fin: n === last,
        payload: part,
        lengthBytes: field,
      };
      return n === last ? [frame] : [frame, ...between];
    });
  });

const closePayload = fc.oneof(
  fc.constant(new Uint8Array()),
  fc
    .tuple(
      fc.constantFrom(1000, 1001, 1004, 1005, 1006, 1011, 1014, 2999, 3000, 4999, 5000),
      fc.string({ maxLength: 9 }),
    )
    .map(([code, reason]) => Buffer.concat([Buffer.from([code >> 8, code & 0xff]), utf8(reason)])),
  fc.uint8Array({ maxLength: 5 }),
);
const close = closePayload.map((payload): Frame[] => [
  { ...orderly, opcode: 0x8, fin: true, payload, lengthBytes: 0 },
]);

const wild = fc
  .record({
    opcode: fc.nat(15),
    fin: fc.boolean(),
    rsv: fc.constantFrom(0, 0, 0, 1, 4),
    masked: fc.constantFrom(true, true, true, false),
    payload: anyPayload,
    lengthBytes,
  })
  .map((frame): Frame[] => [frame]);

/** What breaks a stream: bytes flipped, and bytes lost. */
const damage = fc.oneof(
  { weight: 3, arbitrary: fc.constant([]) },
  {
    weight: 1,
    arbitrary: fc.array(
      fc.record({ at: fc.nat(100_000), flip: fc.integer({ min: 1, max: 255 }), lose: fc.nat(3) }),
      {
        minLength: 1,
        maxLength: 3,
      },
    ),
  },
);

export const stream = fc
  .record({
    parts: fc.array(
      fc.oneof(
        { weight: 12, arbitrary: message },
        { weight: 4, arbitrary: controlFrame.map((frame) => [frame]) },
        { weight: 1, arbitrary: close },
        { weight: 1, arbitrary: wild },
      ),
      { maxLength: 12 },
    ),
    damage,
    cuts: fc.array(fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 40_000 })), {
      minLength: 1,
      maxLength: 8,
    }),
  })
  .map(({ parts, damage: damages, cuts }) => {
    let bytes = Buffer.concat(parts.flat().map(encodeFrame));
    for (const { at, flip, lose } of damages) {
      if (bytes.length === 0) break;
      const place = at % bytes.length;
      bytes.writeUInt8(bytes.readUInt8(place) ^ flip, place);
      bytes = Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + lose)]);
    }
    const chunks: Buffer[] = [];
    for (let at = 0, n = 0; at < bytes.length; n++) {
      // Many small chunks of a large stream would take long and show nothing new.
      const size = Math.max(cuts[n % cuts.length] ?? 1, Math.ceil(bytes.length / 500));
      chunks.push(bytes.subarray(at, at + size));
      at += size;
    }
    return chunks;
  });

/** Encodes a message in fragments. */
export function fragments(count: number): Buffer[] {
  return Array.from({ length: count }, (_, n) =>
    encodeFrame({
      ...orderly,
      opcode: n === 0 ? 0x1 : 0x0,
      fin: n === count - 1,
      payload: utf8("x"),
      lengthBytes: 0,
    }),
  );
}
