/* eslint-disable mocha/no-exports -- a part of the suite that runs once per driver. */
import assert from "node:assert/strict";

import type { Retention } from "../../../../app/src/log/log.ts";
import type { LogRecorder } from "../logRecorder.ts";
import type { ContractLog, ContractLogs, InterruptibleLog } from "./contractLogs.ts";

const RETENTION: Retention = { retainedMessages: 200, retainedBytes: 1024 * 1024, retainedSeconds: 300 };

export function describeInterrupting(
  logs: ContractLogs,
  openInterruptible: (retentionOf: () => Retention) => Promise<InterruptibleLog>,
): void {
  const { open, add, follow, retained, appendAll } = logs;

  describe("an interrupted subscription", () => {
    let interruptible: InterruptibleLog;
    let other: ContractLog;
    let reader: LogRecorder;

    beforeEach(async () => {
      interruptible = await openInterruptible(() => RETENTION);
      other = await open(RETENTION);
      reader = await follow(add(interruptible.log));
      await other.append("1");
      await reader.length(1);
    });

    afterEach(async () => {
      await interruptible.log.close();
      await interruptible.release();
    });

    const numbers = (from: number, to: number): readonly string[] =>
      Array.from({ length: to - from + 1 }, (_, n) => String(from + n));

    it("continues with the entries that it has missed", async () => {
      await interruptible.interrupt();
      await appendAll(numbers(2, 150), other);
      await interruptible.restore();
      await reader.length(150);
      await other.append("151");
      await reader.length(151);
      assert.deepEqual([reader.records, reader.starts], [numbers(1, 151), 1]);
    });

    it("starts again at the oldest retained entry if entries were dropped", async () => {
      const { epoch } = reader;
      await interruptible.interrupt();
      await appendAll(numbers(2, 2000), other);
      const kept = await retained(other);
      assert.ok(kept.from > 2, `from ${kept.from}`);
      await interruptible.restore();
      await reader.until(() => reader.records.at(-1) === "2000");
      assert.deepEqual([reader.epoch, reader.from, reader.starts], [epoch, kept.from, 2]);
      assert.deepEqual(reader.current, kept.records);
      await other.append("2001");
      await reader.until(() => reader.records.at(-1) === "2001");
      assert.equal(reader.starts, 2);
    });
  });
}
