import assert from "node:assert/strict";

import fc from "fast-check";

import { clientFrame, mask, OPCODES, readFrame, serverFrame } from "../../../bench/generator/frames.ts";
import { PROTOCOLS } from "../../../bench/generator/protocols.ts";
import { createTemplate } from "../../../bench/generator/template.ts";

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
  const template = createTemplate(PROTOCOLS.plain, 64);
  const expected = (publisher: string, sequence: string, filling: string) =>
    Buffer.from(`{"message":{"p":"${publisher}","s":"${sequence}","d":"${filling}"}}`);
  const publication = template.publication(7, 1234);
  mask(publication, publication.length - 64);
  const text = publication.toString("utf8", publication.length - 64);

  it("have the given size, and numbers", () => {
    assert.equal(Buffer.byteLength(text), 64);
    const { p, s } = JSON.parse(text) as { p: string; s: string };
    assert.deepEqual([p, s], ["07", "0000001234"]);
  });

  it("are identified by every byte of their delivery", () => {
    const { d } = JSON.parse(text) as { d: string };
    const frame = serverFrame(expected("07", "0000001234", d));
    assert.deepEqual(template.identify(frame, 0, frame.length), { publisher: 7, sequence: 1234 });
    for (let index = 0; index < frame.length; index++) {
      const altered = Buffer.from(frame);
      altered[index] = (altered[index] ?? 0) ^ 0x40;
      const id = template.identify(altered, 0, altered.length);
      assert.equal(id, undefined, `byte ${index}`);
    }
  });
});
