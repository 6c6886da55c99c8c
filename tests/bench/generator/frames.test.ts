import assert from "node:assert/strict";

import fc from "fast-check";

import { clientFrame, mask, OPCODES, readFrame, serverFrame } from "../../../bench/generator/frames.ts";
import { fill, PROTOCOLS } from "../../../bench/generator/protocols.ts";
import { createTemplate } from "../../../bench/generator/broadcast/template.ts";
import type { Numbered, Stored } from "../../../bench/generator/broadcast/template.ts";

/** Includes the lengths around each form of the header. */
const payload = fc
  .oneof(fc.nat(300), fc.constantFrom(125, 126, 127, 65_535, 65_536, 70_000))
  .map((length) => Buffer.alloc(length, "payload"));

describe("the benchmark's frames", () => {
  it("are read as they were written, at any offset", () => {
    fc.assert(
      fc.property(payload, fc.nat(20), (bytes, offset) => {
        const frame = serverFrame(bytes, OPCODES.ping);
        const stream = Buffer.concat([Buffer.alloc(offset), frame, Buffer.from("more")]);
        const read = readFrame(stream, offset);
        assert.equal(read?.opcode, OPCODES.ping);
        assert.equal(read.end, offset + frame.length);
        assert.deepEqual(stream.subarray(read.payload, read.end), bytes);
      }),
    );
  });

  it("are incomplete without their last byte", () => {
    fc.assert(
      fc.property(payload, fc.double({ min: 0, max: 1, noNaN: true }), (bytes, part) => {
        const frame = serverFrame(bytes);
        assert.equal(readFrame(frame.subarray(0, Math.floor(part * (frame.length - 1))), 0), undefined);
      }),
    );
  });

  it("of a client are masked", () => {
    const text = Buffer.from("a message of a client");
    const frame = clientFrame(text);
    assert.throws(() => readFrame(frame, 0), /masked/);
    const start = frame.length - text.length;
    assert.notDeepEqual(frame.subarray(start), text);
    mask(frame, start);
    assert.deepEqual(frame.subarray(start), text);
  });

  it("of a server that violate RFC 6455 are rejected", () => {
    const [first = 0, ...rest] = serverFrame(Buffer.from("{}"));
    assert.throws(() => readFrame(Buffer.from([first | 0x40, ...rest]), 0), /reserved/);
    assert.throws(() => readFrame(Buffer.from([first & 0x0f, ...rest]), 0), /fragmented/);
  });
});

describe("the benchmark's messages", () => {
  const EPOCH = "an epoch";
  const stored = { publisher: 7, sequence: 1234, offset: 98 } as const;

  for (const name of ["plain", "channels.v1"] as const) {
    const protocol = PROTOCOLS[name];
    const template = createTemplate(protocol, 64);
    const publication = template.publication(stored.publisher, stored.sequence);
    const [message = ""] = /\{"p".*?\}/.exec(textOf(publication)) ?? [];

    it(`have the given size, and numbers: ${name}`, () => {
      assert.equal(Buffer.byteLength(message), 64);
      const { p, s } = JSON.parse(message) as { p: string; s: string };
      assert.deepEqual([p, s], ["07", "0000001234"]);
    });

    it(`are identified by every byte of their delivery: ${name}`, () => {
      const offset = name === "plain" ? undefined : stored.offset;
      const text = fill(protocol.delivery, { CHANNEL: "/", MESSAGE: message, OFFSET: String(offset) });
      const frame = serverFrame(Buffer.from(text));
      assert.deepEqual(template.deliveries.text({ ...stored, offset }), frame);
      assertIdentifies(template.deliveries, frame, { ...stored, offset });
    });
  }

  it("have an id, which every byte of the acknowledgement repeats", () => {
    const template = createTemplate(PROTOCOLS["channels.v1"], 64);
    const { id } = JSON.parse(textOf(template.publication(stored.publisher, stored.sequence))) as {
      id: string;
    };
    const text = JSON.stringify({ ack: id, channel: "/", epoch: EPOCH, offset: stored.offset });
    const acknowledgements = template.acknowledgements(EPOCH);
    assert.ok(acknowledgements);
    assertIdentifies(acknowledgements, Buffer.from(text), stored);
  });

  it("have different ids in each run", () => {
    const [first, second] = [1, 2].map(() => createTemplate(PROTOCOLS["channels.v1"], 64).publication(0, 0));
    assert.notDeepEqual(first, second);
  });

  it("have offsets with any number of digits", () => {
    const { deliveries } = createTemplate(PROTOCOLS["channels.v1"], 64);
    for (const offset of [1, 9, 10, 12_345, 999_999_999_999]) {
      const frame = deliveries.text({ ...stored, offset });
      assert.deepEqual(deliveries.identify(frame, 0, frame.length), { ...stored, offset });
    }
  });
});

function assertIdentifies(numbered: Numbered, text: Buffer, expected: Stored): void {
  assert.deepEqual(numbered.identify(text, 0, text.length), expected);
  for (let index = 0; index < text.length; index++) {
    const altered = Buffer.from(text);
    altered[index] = (altered[index] ?? 0) ^ 0x40;
    assert.equal(numbered.identify(altered, 0, altered.length), undefined, `byte ${index}`);
  }
}

/** Returns the text of a short frame of a client. */
function textOf(publication: Buffer): string {
  const frame = Buffer.from(publication);
  const start = frame.length - payloadBytes(frame);
  mask(frame, start);
  return frame.toString("utf8", start);
}

/** The length is in the second byte, or in the third and the fourth one. */
function payloadBytes(frame: Buffer): number {
  const length = frame.readUInt8(1) & 0x7f;
  return length < 126 ? length : frame.readUInt16BE(2);
}
