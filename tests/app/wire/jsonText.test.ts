import assert from "node:assert/strict";

import fc from "fast-check";

import { hasUnsafeNumber, isTooDeep } from "../../../app/src/wire/jsonText.ts";

const MAX = 64;

/** Far more than both texts below need, and far less than a check in quadratic time needs. */
const MAX_CHECK_MS = 500;

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

describe("the depth of a text", () => {
  const nested = (depth: number, open = "[", close = "]"): string =>
    open.repeat(depth) + "1" + close.repeat(depth);

  for (const [what, text, tooDeep] of [
    ["the maximum depth", nested(MAX), false],
    ["one level more", nested(MAX + 1), true],
    ["objects", nested(MAX + 1, '{"a":', "}"), true],
    ["many siblings", `[${"[],".repeat(1000)}{}]`, false],
    ["brackets in a string", JSON.stringify(["[{".repeat(1000)]), false],
    [
      "a string with quotes in it",
      JSON.stringify(['"'.repeat(1000), "[".repeat(1000), '\\"['.repeat(1000)]),
      false,
    ],
    ["the maximum depth after a string with quotes", `["\\\\","\\"[",${nested(MAX)}]`, true],
    ["no JSON", "[".repeat(60_000), true],
    ["an unterminated string", `"${"[".repeat(1000)}`, false],
    ["a long flat text", JSON.stringify("x".repeat(60_000)), false],
  ] as const) {
    it(`is ${tooDeep ? "rejected" : "accepted"}: ${what}`, () => {
      assert.equal(isTooDeep(text, MAX), tooDeep);
    });
  }

  it("is the depth of the value", () => {
    const value = fc.letrec((tie) => ({
      any: fc.oneof({ depthSize: "medium" }, fc.string({ unit: "binary" }), tie("list"), tie("record")),
      list: fc.array(tie("any"), { maxLength: 4 }),
      record: fc.dictionary(fc.string(), tie("any"), { maxKeys: 4 }),
    })).any;
    fc.assert(
      fc.property(value, fc.integer({ min: 0, max: 6 }), (json, depth) => {
        assert.equal(isTooDeep(JSON.stringify(json), depth), depthOf(json) > depth);
      }),
      { numRuns: 500 },
    );
  });
});

describe("a number", () => {
  for (const source of [
    ...[
      "0",
      "-0",
      "0.0",
      "0e9",
      "1",
      "-1.5",
      "1e5",
      "1E+5",
      "1e-5",
      "0.1000",
      "1e20",
      "1e21",
      "1.5e300",
      "5e-324",
    ],
    ...[
      "9007199254740991",
      "9007199254740992",
      "-9007199254740992",
      "100000000000000000000",
      "123456789012345680000",
    ],
    // Doubles as other languages write them.
    ...["0.10000000000000001", "3.141592653589793238", "1.7976931348623157e308", "0.30000000000000004"],
    `0.${"0".repeat(300)}1`,
  ]) {
    it(`is safe: ${source.slice(0, 40)}`, () => {
      assert.equal(hasUnsafeNumber(`[${source}]`), false);
    });
  }

  for (const source of [
    ...[
      "9007199254740993",
      "-9007199254740993",
      "1234567890123456789",
      "9007199254740992.5",
      "900719925474099.3e1",
    ],
    ...["1e400", "-1e400", "1e-400", "9".repeat(400), `0.${"0".repeat(400)}1`, "1.79769313486231570001e308"],
  ]) {
    for (const json of [source, `[${source}]`, `{"a":"\\"1e400" , "b":[1,${source} ]}`]) {
      it(`is unsafe: ${json.slice(0, 40)}`, () => {
        assert.equal(hasUnsafeNumber(json), true);
      });
    }
  }

  for (const [what, json] of [
    ["one of many digits", `[0.${"0".repeat(64_000)}1]`],
    ["many large ones", `[${"1e20,".repeat(400_000)}1]`],
  ] as const) {
    it(`is checked in linear time: ${what}`, () => {
      const before = process.cpuUsage();
      hasUnsafeNumber(json);
      const { user, system } = process.cpuUsage(before);
      const took = (user + system) / 1000;
      assert.ok(took < MAX_CHECK_MS, `expected at most ${MAX_CHECK_MS} ms of CPU time; it took ${took} ms`);
    });
  }

  it("is not searched in strings", () => {
    assert.equal(hasUnsafeNumber('{"1e400":"9007199254740993","a\\\\":"\\"1e400"}'), false);
  });

  it("is safe as JSON.stringify writes it", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.maxSafeInteger()),
        (number) => {
          assert.equal(hasUnsafeNumber(JSON.stringify(number)), false);
        },
      ),
    );
  });

  it("is safe with few digits, whatever its exponent is", () => {
    const exponent = fc.integer({ min: 0, max: 290 });
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 15n - 1n }), exponent, (digits, power) => {
        const source = `${digits}e${power}`;
        assert.equal(hasUnsafeNumber(source), false);
        assert.equal(BigInt(`${digits}${"0".repeat(power)}`), exactOf(JSON.stringify(Number(source))));
      }),
    );
  });

  it("is unsafe exactly if its digits change", () => {
    // ECMAScript writes larger ones with an exponent.
    const limit = 10n ** 21n - 1n;
    fc.assert(
      fc.property(fc.bigInt({ min: -limit, max: limit }), (integer) => {
        const source = String(integer);
        assert.equal(hasUnsafeNumber(source), JSON.stringify(Number(source)) !== source);
      }),
      { numRuns: 1000 },
    );
  });
});

/** The integer that a canonical number without a fraction writes. */
function exactOf(json: string): bigint {
  const [mantissa = "", power = "0"] = json.split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  return BigInt(whole + fraction + "0".repeat(Number(power) - fraction.length));
}
