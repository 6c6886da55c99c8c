import assert from "node:assert/strict";

import fc from "fast-check";

import { textFrame } from "../../../app/src/wire/frame.ts";
import { textsOf } from "../support/rawClient.ts";

describe("a text frame", () => {
  // RFC 6455 §5.7
  it("equals the example of the RFC", () => {
    assert.deepEqual(textFrame("Hello"), Buffer.from([0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]));
  });

  for (const [length, header] of [
    [0, [0x81, 0]],
    [125, [0x81, 125]],
    [126, [0x81, 126, 0, 126]],
    [65_535, [0x81, 126, 0xff, 0xff]],
    [65_536, [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]],
  ] as const) {
    it(`of ${length} bytes has the shortest header that fits`, () => {
      const frame = textFrame("x".repeat(length));
      assert.deepEqual(frame.subarray(0, header.length), Buffer.from(header));
      assert.equal(frame.length, header.length + length);
    });
  }

  it("is read by another implementation, many in a row", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc
        .tuple(fc.constantFrom("x", "é", "€", "😀"), fc.constantFrom(31, 125, 126, 16_384, 65_535, 65_536))
        .map(([unit, count]) => unit.repeat(count)),
    );
    fc.assert(
      fc.property(fc.array(text, { maxLength: 8 }), (texts) => {
        // A lone surrogate becomes U+FFFD. JSON escapes them, so that none reaches a frame.
        assert.deepEqual(
          textsOf(Buffer.concat(texts.map(textFrame))),
          texts.map((t) => t.toWellFormed()),
        );
      }),
    );
  });
});
