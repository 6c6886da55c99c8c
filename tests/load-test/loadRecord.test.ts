import assert from "node:assert/strict";
import { mock } from "node:test";
import { LoadRecord } from "../../load-test/loadRecord.ts";

describe("the record of a load", () => {
  it("has every minute until now, with zeros if nothing happened", () => {
    let now = 0;
    const clock = mock.method(performance, "now", () => now);
    try {
      const record = new LoadRecord();
      const nothing = { connects: 0, disconnects: 0, messages: 0 };
      assert.deepEqual(record.minutes, [nothing]);
      now = 61_000;
      record.count("connects");
      now = 185_000;
      assert.deepEqual(record.minutes, [nothing, { ...nothing, connects: 1 }, nothing, nothing]);
    } finally {
      clock.mock.restore();
    }
  });
});
