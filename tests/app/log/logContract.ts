/** The contract of `app/src/log/log.ts` as a test suite for every driver. */
/* eslint-disable mocha/no-exports -- a suite that runs once per driver, from the test of each. */
import assert from "node:assert/strict";

import { describeAppending } from "./contract/appending.ts";
import { ContractLogs } from "./contract/contractLogs.ts";
import type { LogDriver } from "./contract/contractLogs.ts";
import { describeFollowing } from "./contract/following.ts";
import { describeInterrupting } from "./contract/interrupting.ts";
import { describeManyChannels } from "./contract/manyChannels.ts";
import { describeReading } from "./contract/reading.ts";
import { describeRetaining } from "./contract/retaining.ts";
import { describeSharing } from "./contract/sharing.ts";

/** @param driver can have entries of other channels. */
export function describeLogContract(name: string, driver: LogDriver): void {
  describe(`the log contract with the ${name} driver`, () => {
    const logs = new ContractLogs(driver);

    describeAppending(logs);
    describeReading(logs);
    describeFollowing(logs);
    describeRetaining(logs);
    describeManyChannels(logs);

    describe("closing", () => {
      it("stores pending messages", async () => {
        const answers = Array.from({ length: 100 }, (_, n) => logs.log.append("x", `id-${n}`));
        await logs.log.close();
        const settled = await Promise.allSettled(answers);
        assert.ok(settled.every(({ status }) => status === "fulfilled"));
      });

      it("is idempotent, and rejects later calls", async () => {
        await logs.log.close();
        await logs.log.close();
        await assert.rejects(logs.log.append("late"), /closed/);
        await assert.rejects(logs.log.append("late", "id"), /closed/);
        await assert.rejects(logs.log.end(), /closed/);
        await assert.rejects(logs.log.read({ epoch: "", next: 1 }), /closed/);
      });

      it("ends every subscription", async () => {
        const reader = await logs.follow();
        await logs.log.append("x");
        await reader.length(1);
        await logs.log.close();
        assert.deepEqual(reader.records, ["x"]);
        await assert.rejects(logs.follow(), /closed/);
      });
    });

    if (driver.shared) describeSharing(logs);
    if (driver.openInterruptible !== undefined) describeInterrupting(logs, driver.openInterruptible);
  });
}
