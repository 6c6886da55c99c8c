import assert from "node:assert/strict";

import { RecentIds } from "../../../app/src/log/memory/recentIds.ts";

const IDS = 10_000;
const LOOKUPS = 500;

/** With one list of all ids, they need a second or more. */
const MAX_LOOKUPS_MS = 300;

describe("the newest ids of a channel", () => {
  it("are found fast if a client has chosen ids with the same start of their names", () => {
    const ids = new RecentIds(IDS);
    const nameOf = (n: number): string => `AAAA${String(n).padStart(12, "0")}`;
    for (let n = 0; n < IDS; n++) ids.add(nameOf(n), n);
    const began = performance.now();
    for (let n = 0; n < LOOKUPS; n++) {
      assert.equal(ids.find(nameOf(n)), n);
      assert.equal(ids.find(nameOf(IDS + n)), undefined);
    }
    const took = performance.now() - began;
    assert.ok(took < MAX_LOOKUPS_MS, `${took} ms`);
  });
});
