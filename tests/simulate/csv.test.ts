import assert from "node:assert/strict";
import fc from "fast-check";
import { HEADER, parseCsv } from "../../simulate/load/csv.ts";
import { MAX_MINUTES } from "../../simulate/load/load.ts";
import { QUIET } from "./support.ts";

describe("a load in a CSV file", () => {
  it("has the counts of each minute, and none in minutes that are absent", () => {
    assert.deepEqual(
      parseCsv("f.csv", `\uFEFFMinute, connects,disconnects,messages\r\n1, 2,3,4.5\r\n\r\n3,0,0,1\r\n`),
      {
        name: "f.csv",
        initialConnections: 0,
        minutes: [
          QUIET,
          { connects: 2, disconnects: 3, messages: 4.5 },
          QUIET,
          { connects: 0, disconnects: 0, messages: 1 },
        ],
      },
    );
  });

  it("is refused with the line that is wrong", () => {
    const cases: readonly (readonly [text: string, message: RegExp])[] = [
      ["", /^f\.csv:1: got ""; expected the header minute,connects,disconnects,messages\.$/],
      ["a,b\n", /^f\.csv:1: /],
      [HEADER, /^f\.csv:2: got ""; expected at least one minute\.$/],
      [
        `${HEADER}\n0,1,2`,
        /^f\.csv:2: got "0,1,2"; expected a whole minute and three counts up to 1000000000\.$/,
      ],
      [`${HEADER}\n0,1,2,3,4`, /^f\.csv:2: /],
      [`${HEADER}\n0,-1,2,3`, /^f\.csv:2: /],
      [`${HEADER}\n0,1e9,2,3`, /^f\.csv:2: /],
      [`${HEADER}\n0,,2,3`, /^f\.csv:2: /],
      [`${HEADER}\n0.5,1,2,3`, /^f\.csv:2: /],
      [`${HEADER}\n0,1000000001,2,3`, /^f\.csv:2: /],
      [`${HEADER}\n0,1,2,3\n0,1,2,3`, /^f\.csv:3: .*expected a minute from 1\.$/],
      [`${HEADER}\n${MAX_MINUTES},1,2,3`, /^f\.csv:2: .*expected at most 44640 minutes\.$/],
    ];
    for (const [text, message] of cases) assert.throws(() => parseCsv("f.csv", text), { message });
  });

  it("is either refused with a line, or has at least one minute", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 20 }), { maxLength: 5 }), (lines) => {
        try {
          assert.ok(parseCsv("f.csv", [HEADER, ...lines].join("\n")).minutes.length > 0);
        } catch (error) {
          assert.match(String(error), /ExpectedError: f\.csv:\d+: got /);
        }
      }),
    );
  });
});
