/** The leases by which tasks share the budget for Valkey's memory. */
import assert from "node:assert/strict";

import { UserFullError } from "../../../app/src/log/valkey/append/storageLease.ts";
import type { ValkeyLog } from "../../../app/src/log/valkey/valkeyLog.ts";
import { MIB } from "../../../app/src/settings/units.ts";
import { USER_NAME } from "../../../infra/components/backplane/valkeyAccess.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import { LogRecorder } from "./logRecorder.ts";
import { keysOf, STORAGE_KEYS, useValkey } from "./valkeyFixture.ts";
import { subscribeTo } from "./subscribeTo.ts";

const BUDGET_MIB = 16;
const RETAINED_MESSAGES = 1000;
/** More than a lease has left, so that a task asks for another one. */
const BEYOND_LEASE = "x".repeat(300_000);

/** Valkey's hash tables and the buffers of its clients grow in steps, which the charges do not follow. */
const UNCHARGED_BYTES = 64 * 1024;

describe("the leases of the Valkey log", () => {
  const valkey = useValkey();
  const open = (retainedSeconds = 300): ValkeyLog =>
    valkey.open({
      valkeyBudgetMib: BUDGET_MIB,
      retainedMessages: RETAINED_MESSAGES,
      retainedBytes: MIB,
      retainedSeconds,
    });

  /** What the tasks share about a channel. */
  async function recordOf(name: string): Promise<SharedRecord> {
    const fields = ["charge", "bytes", "base", "leases"];
    const values = await valkey.server.command("HMGET", keysOf(name).record, ...fields);
    const [charge, bytes, base, leases] = values as [string, string, string, string];
    const parts = leases === "" ? [] : leases.split(",").map((lease) => lease.split(":"));
    return {
      charge: Number(charge),
      payloadBytes: Number(bytes) - Number(base),
      leases: new Map(parts.map(([task = "", leased]) => [task, Number(leased)])),
    };
  }

  it("counts the lease of a task that has ended as used, until entries of its time are dropped", async () => {
    const retainedSeconds = 1;
    const [ending, other] = [open(retainedSeconds), open(retainedSeconds)];
    for (const record of ["", "x".repeat(2000)]) await ending.append({ channel: "c", record });
    const [[task, leasedBytes] = assert.fail("no lease")] = (await recordOf("c")).leases;
    await ending.close();

    let record: SharedRecord;
    const renew = async (): Promise<void> => {
      // A lease ends after a time, so that the task soon asks for another one.
      await other.append({ channel: "c", record: "" });
      record = await recordOf("c");
    };
    await renew();
    const before = await recordOf("c");
    assert.deepEqual(
      [before.leases.size, before.payloadBytes],
      [2, 0],
      "the server counts no unreported bytes",
    );
    await waitUntil(
      async () => {
        await renew();
        return !record.leases.has(task);
      },
      { everyMs: 10 },
    );
    const after = await recordOf("c");
    assert.deepEqual([after.leases.size, after.payloadBytes], [1, leasedBytes]);
    await waitUntil(
      async () => {
        await renew();
        return record.payloadBytes === 0;
      },
      { everyMs: 10 },
    );
  });

  it("stores the messages of one user that come in a batch with those of a user whose share is full", async () => {
    const log = open();
    const append = (channel: string, record: string, user: string): Promise<unknown> =>
      log.append({ channel, record, user }).catch((error: unknown) => error);
    for (let full = false, n = 0; !full; n++) {
      full = (await append(`filled-${n}`, BEYOND_LEASE, "full")) instanceof UserFullError;
    }
    const { epoch } = await log.append({ channel: "mixed", record: "0", user: "other" });
    const results = await Promise.all(
      ["full", "other", "full", "other"].map((user) => append("mixed", BEYOND_LEASE, user)),
    );
    const stored = (offset: number): object => ({ epoch, offset, duplicate: false });
    assert.ok(results[0] instanceof UserFullError && results[2] instanceof UserFullError);
    assert.deepEqual([results[1], results[3]], [stored(2), stored(3)]);
    assert.ok((await recordOf("mixed")).charge >= 2 * BEYOND_LEASE.length);
  });

  it("charges ids only while Valkey stores them", async () => {
    const log = open();
    for (const channel of ["ids", "plain"]) {
      const hasIds = channel === "ids";
      for (let n = 0; n < 300; n++) {
        await log.append({ channel, record: "x", id: hasIds ? String(n) : undefined });
      }
    }
    // As they expire when only plain entries follow.
    await valkey.server.command("DEL", ...keysOf("ids").ids);
    for (const channel of ["ids", "plain"]) await log.append({ channel, record: BEYOND_LEASE });
    assert.equal((await recordOf("ids")).charge, (await recordOf("plain")).charge);
  });

  it("charges nothing for appends that Valkey refuses", async () => {
    const log = valkey.open({ valkeyBudgetMib: BUDGET_MIB, publishTimeoutSeconds: 0.5 });
    await log.append({ channel: "c", record: "1" });
    await valkey.server.command("ACL", "SETUSER", USER_NAME, "-xadd");
    await assert.rejects(log.append({ channel: "c", record: "x".repeat(2000) }), /not answered/);
    await valkey.server.command("ACL", "SETUSER", USER_NAME, "+xadd");
    await log.append({ channel: "c", record: BEYOND_LEASE });
    assert.equal((await recordOf("c")).payloadBytes, 1);
  });

  it("ends all leases of a channel whose stream is lost", async () => {
    const [one, two] = [open(), open()];
    const reader = new LogRecorder();
    reader.stop = subscribeTo(two, "c", reader);
    await reader.begun();
    for (const log of [one, two]) await log.append({ channel: "c", record: "x".repeat(1000) });
    await reader.length(2);
    assert.equal((await recordOf("c")).leases.size, 2);
    await valkey.server.command("DEL", keysOf("c").stream);

    await one.append({ channel: "c", record: "y", id: "y" });
    const { payloadBytes, leases } = await recordOf("c");
    assert.deepEqual([payloadBytes, leases.size], [0, 1]);
    // The reader of the other task notices the epoch before the task appends.
    await reader.until(() => reader.records.at(-1) === "y");
    await two.append({ channel: "c", record: "z" });
    assert.equal((await recordOf("c")).leases.size, 2, "the append needs a lease of the new epoch");
  });

  it("keeps the used memory within the charges, and the charges within the budget, for two tasks", async () => {
    const sample = async (): Promise<{ usedBytes: number; chargedBytes: number }> => {
      // One step for the server: the memory of clients varies, and is not charged.
      const script = `
        local sums = {}
        for _, key in ipairs(KEYS) do
          for _, sum in ipairs(redis.call('HVALS', key)) do sums[#sums + 1] = sum end
        end
        return {redis.call('INFO', 'memory'), sums}`;
      const [info, sums] = (await valkey.server.command(
        "EVAL",
        script,
        STORAGE_KEYS.length,
        ...STORAGE_KEYS,
      )) as [string, string[]];
      const field = (name: string): number =>
        Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? assert.fail(name));
      return {
        usedBytes: field("used_memory") - field("mem_clients_normal"),
        chargedBytes: sums.reduce((total, sum) => total + Number(sum.split(":")[1]), 0),
      };
    };
    const logs = [open(), open()];
    const refused = [0, 0];
    const fill = async (round: number): Promise<void> => {
      const record = "x".repeat((round % 7) * 5000);
      const appends = logs.flatMap((log) =>
        ["a", "b", "c"].map((name) => log.append({ channel: `${name}${round % 20}`, record })),
      );
      const results = await Promise.allSettled(appends);
      for (const [n, { status }] of results.entries()) {
        if (status === "rejected") refused[n < 3 ? 0 : 1] = 1;
      }
    };
    // What Valkey allocates once is not charged.
    await fill(0);
    await sample();
    const before = await sample();
    for (let round = 1; round <= 300; round++) {
      await fill(round);
      const { usedBytes, chargedBytes } = await sample();
      const [used, charged] = [usedBytes - before.usedBytes, chargedBytes - before.chargedBytes];
      assert.ok(used <= charged + UNCHARGED_BYTES, `round ${round}: ${used} bytes used, ${charged} charged`);
      assert.ok(chargedBytes <= BUDGET_MIB * MIB, `round ${round}: ${chargedBytes} bytes charged`);
    }
    assert.deepEqual(refused, [1, 1], "both tasks reach the budget");
  });
});

interface SharedRecord {
  readonly charge: number;
  /** Bytes of the retained records, as far as they are reported. */
  readonly payloadBytes: number;
  /** Bytes, by task. */
  readonly leases: ReadonlyMap<string, number>;
}
