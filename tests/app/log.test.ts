import assert from "node:assert/strict";

import { createMemoryLog } from "../../app/src/log/memory.ts";
import { describeLogContract, RETAINED_BYTES } from "./logContract.ts";
import { createRemoteLog } from "./support.ts";

describeLogContract("memory", () => Promise.resolve(createMemoryLog({ retainedBytes: RETAINED_BYTES })));

// The tests' own stand-in for a remote log is held to the contract too.
describeLogContract("remote", () => Promise.resolve(createRemoteLog(RETAINED_BYTES)));

describe("the memory log", () => {
  it("forgets an id with its entry", async () => {
    const log = createMemoryLog({ retainedBytes: 10 });
    await log.append("c", "12345", "id");
    await log.append("c", "1234567890");
    assert.deepEqual(await log.append("c", "12345", "id"), { offset: 3, duplicate: false });
  });

  it("has another epoch than another one", () => {
    assert.notEqual(createMemoryLog({ retainedBytes: 1 }).epoch, createMemoryLog({ retainedBytes: 1 }).epoch);
  });
});
