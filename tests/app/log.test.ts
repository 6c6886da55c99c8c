import assert from "node:assert/strict";

import type { MessageLog } from "../../app/src/log/log.ts";
import { createMemoryLog } from "../../app/src/log/memory.ts";
import type { Retention } from "../../app/src/log/retention.ts";
import { createValkeyLog } from "../../app/src/log/valkey.ts";
import { requireValkey, startGuardedValkey, startValkey } from "../support/valkey.ts";
import type { TestValkey } from "../support/valkey.ts";
import { describeLogContract } from "./logContract.ts";
import { silent } from "./support.ts";

describeLogContract("memory", { open: createMemoryLog, shared: false });

for (const [name, start] of [
  ["Valkey", startValkey],
  ["Valkey (cluster, TLS, restricted user)", startGuardedValkey],
] as const) {
  describe(`with a server of its own: ${name}`, () => {
    let valkey: TestValkey | undefined;

    before(async function () {
      valkey = await start(await requireValkey(this));
    });

    after(() => valkey?.close());

    describeLogContract(name, {
      shared: true,
      open(retention: Retention): MessageLog {
        assert.ok(valkey !== undefined);
        return createValkeyLog({
          ...valkey.address,
          ...retention,
          blockMs: 2000,
          publishTimeoutSeconds: 5,
          logger: silent,
        });
      },
    });
  });
}

describe("the memory log", () => {
  const retention = { retainedMessages: 100, retainedBytes: 1000, retainedSeconds: 10 };

  it("begins a channel anew that nobody has used for as long as it retains entries", async () => {
    const log = createMemoryLog({ ...retention, retainedSeconds: 0.05 });
    const { epoch } = await log.append("c", "x");
    let position = await log.end("c");
    // Asking is using.
    for (let ms = 60; position.epoch === epoch; ms *= 2) {
      await new Promise((resolve) => setTimeout(resolve, ms));
      position = await log.end("c");
    }
    assert.equal(position.next, 1);
    await log.close();
  });

  it("knows an id for longer than it keeps its entry", async () => {
    const log = createMemoryLog({ ...retention, retainedBytes: 10 });
    const first = await log.append("c", "12345", "id");
    await log.append("c", "1234567890");
    assert.deepEqual(await log.append("c", "12345", "id"), { ...first, duplicate: true });
    await log.close();
  });

  it("has an epoch of its own", async () => {
    const logs = [createMemoryLog(retention), createMemoryLog(retention)];
    const ends = await Promise.all(logs.map((log) => log.end("c")));
    assert.notEqual(ends[0]?.epoch, ends[1]?.epoch);
    await Promise.all(logs.map((log) => log.close()));
  });
});
