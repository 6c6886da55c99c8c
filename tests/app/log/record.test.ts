import assert from "node:assert/strict";

import fc from "fast-check";

import { packRecord, unpackRecord } from "../../../app/src/log/record.ts";

describe("the record of a message", () => {
  it("has its payload and its publisher, without a line break", () => {
    const payload = fc.json({ stringUnit: "binary" }).map((text) => JSON.stringify(JSON.parse(text)));
    const from = fc.option(fc.string({ unit: "binary" }), { nil: undefined });
    fc.assert(
      fc.property(payload, from, (json, subject) => {
        const record = packRecord({ payload: json, from: subject });
        assert.doesNotMatch(record, /[\r\n]/);
        assert.deepEqual(unpackRecord(record), { payload: json, from: subject });
      }),
    );
  });
});
