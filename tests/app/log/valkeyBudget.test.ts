/** The memory of channels in a real Valkey that evicts keys, as in the cloud. */
import assert from "node:assert/strict";

import type { ValkeyLog } from "../../../app/src/log/valkey/valkeyLog.ts";
import { StorageFullError } from "../../../app/src/log/valkey/append/storageLease.ts";
import { MIB } from "../../../app/src/settings/units.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import { chargedBytes, follow, useValkey } from "./valkeyFixture.ts";

const BUDGET_MIB = 32;
/** The budget is three quarters of the memory, as infra/components/backplane/backplane.ts declares it. */
const MAX_MEMORY_MIB = 44;
const LARGE = "x".repeat(65_000);

describe("the budget of the Valkey log", () => {
  const valkey = useValkey([["maxmemory-policy", "volatile-lru"]]);
  let usedAtStart: number;

  beforeEach(async () => {
    usedAtStart = await info("memory", "used_memory");
    await valkey.server.command("CONFIG", "SET", "maxmemory", usedAtStart + MAX_MEMORY_MIB * MIB);
  });

  async function info(section: string, field: string): Promise<number> {
    const text = String(await valkey.server.command("INFO", section));
    return Number(new RegExp(`^${field}:(\\d+)`, "m").exec(text)?.[1] ?? assert.fail(field));
  }

  const open = (retainedSeconds = 300): ValkeyLog =>
    valkey.open({
      retainedMessages: 10_000,
      retainedBytes: MIB,
      retainedSeconds,
      valkeyBudgetMib: BUDGET_MIB,
    });

  /** Appends to many channels at once. @returns the records that were stored, by channel. */
  async function flood(
    log: ValkeyLog,
    { channels, messages, record = LARGE, ids = false, user }: Flood,
  ): Promise<Map<string, string[]>> {
    const stored = new Map<string, string[]>();
    for (let message = 0; message < messages; message++) {
      const appending: Promise<void>[] = [];
      for (let n = 0; n < channels; n++) {
        const [name, text] = [`flooded-${n}`, `${message} ${record}`];
        appending.push(
          log.append({ channel: name, record: text, id: ids ? String(message) : undefined, user }).then(
            () => {
              stored.set(name, [...(stored.get(name) ?? []), text]);
            },
            (error: unknown) => {
              assert.ok(error instanceof StorageFullError, String(error));
            },
          ),
        );
      }
      await Promise.all(appending);
    }
    return stored;
  }

  it("refuses messages beyond the budget, and loses and doubles none", async () => {
    const log = open();
    const first = await log.append({ channel: "victim", record: "kept", id: "id" });
    const stored = await flood(log, { channels: 60, messages: 20 });
    const count = [...stored.values()].flat().length;
    assert.ok(count > 200 && count < 60 * 20, `${count} stored`);
    assert.equal(await info("stats", "evicted_keys"), 0);

    assert.deepEqual(await log.append({ channel: "victim", record: "kept", id: "id" }), {
      ...first,
      duplicate: true,
    });
    for (const [name, records] of stored) {
      const reader = await follow(log, name);
      await reader.length(records.length);
      assert.deepEqual([reader.from, reader.records], [1, records]);
      reader.stop();
    }
    assert.equal(await info("stats", "evicted_keys"), 0);
  });

  for (const flooding of [
    { channels: 2000, messages: 1, record: "x" },
    { channels: 100, messages: 300, record: "x", ids: true },
    { channels: 100, messages: 100, record: "x".repeat(5000) },
    { channels: 5, messages: 200 },
  ]) {
    const { channels, messages, record = LARGE } = flooding;
    it(`charges the memory that Valkey uses: ${channels} channels, ${messages} times ${record.length} bytes`, async () => {
      await flood(open(), flooding);
      const used = (await info("memory", "used_memory")) - usedAtStart;
      const charged = await chargedBytes(valkey.server);
      assert.ok(used <= charged, `${used} are used, ${charged} charged`);
      assert.ok(charged <= BUDGET_MIB * MIB, `${charged} charged`);
    });
  }

  it("charges a channel without entries once, however often it is located", async () => {
    const log = open();
    await log.end("quiet");
    const once = await chargedBytes(valkey.server);
    assert.ok(once > 0);
    for (let n = 0; n < 20; n++) await log.end("quiet");
    // In the meantime, the next interval can have begun.
    assert.equal(await chargedBytes(valkey.server), once);
  });

  it("limits one user to a share, and stores messages of others", async () => {
    const log = open();
    const stored = await flood(log, { channels: 60, messages: 20, user: "one" });
    assert.ok([...stored.values()].flat().length * LARGE.length < (BUDGET_MIB / 4) * MIB);
    await assert.rejects(log.append({ channel: "another", record: LARGE, user: "one" }), StorageFullError);
    await log.append({ channel: "another", record: LARGE, user: "two" });
  });

  it("stores any number of messages of one user that replace earlier ones", async () => {
    const log = open();
    const reader = await follow(log, "read");
    const count = Math.ceil((2 * (BUDGET_MIB / 4) * MIB) / LARGE.length);
    for (let n = 1; n <= count; n++) {
      await log.append({ channel: "read", record: LARGE, user: "one" });
      await reader.length(n);
    }
    reader.stop();
  });

  it("stores messages again when the entries have expired", async () => {
    const log = open(1);
    await flood(log, { channels: 60, messages: 20 });
    await waitUntil(async () => {
      const stored = await flood(log, { channels: 60, messages: 1, record: LARGE });
      return stored.size === 60;
    });
  });
});

interface Flood {
  readonly channels: number;
  readonly messages: number;
  /** @default LARGE */
  readonly record?: string;
  readonly ids?: boolean;
  readonly user?: string;
}
