/** What channels may take of a real Valkey that evicts, as the cloud's does. */
import assert from "node:assert/strict";

import { createValkeyLog } from "../../../app/src/log/valkey/valkeyLog.ts";
import type { ValkeyLog } from "../../../app/src/log/valkey/valkeyLog.ts";
import { StorageFullError } from "../../../app/src/log/valkey/storageLease.ts";
import { MIB } from "../../../app/src/settings/units.ts";
import { requireValkey, startValkey } from "../../support/valkey.ts";
import type { TestValkey } from "../../support/valkey.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import { LogRecorder } from "./logRecorder.ts";
import { afterwards, silent, tearDown } from "../support/teardown.ts";

const BUDGET_MIB = 32;
/** The budget is three quarters of the memory, as infra/components/backplane/backplane.ts declares it. */
const MAX_MEMORY_MIB = 44;
const LARGE = "x".repeat(65_000);

describe("the budget of the Valkey log", () => {
  let valkey: TestValkey;
  let usedAtStart: number;

  beforeEach(async function () {
    valkey = await startValkey(await requireValkey(this), [["maxmemory-policy", "volatile-lru"]]);
    afterwards(() => valkey.close());
    usedAtStart = await info("memory", "used_memory");
    await valkey.command("CONFIG", "SET", "maxmemory", usedAtStart + MAX_MEMORY_MIB * MIB);
  });

  afterEach(tearDown);

  async function info(section: string, field: string): Promise<number> {
    const text = String(await valkey.command("INFO", section));
    return Number(new RegExp(`^${field}:(\\d+)`, "m").exec(text)?.[1] ?? assert.fail(field));
  }

  function open({ retainedSeconds = 300 } = {}): ValkeyLog {
    const log = createValkeyLog({
      ...valkey.address,
      retainedMessages: 10_000,
      retainedBytes: MIB,
      retainedSeconds,
      blockMs: 2000,
      publishTimeoutSeconds: 5,
      valkeyBudgetMib: BUDGET_MIB,
      logger: silent,
    });
    afterwards(() => log.close());
    return log;
  }

  /** Appends to many channels at once. @returns the payloads that were stored, by channel. */
  async function flood(
    log: ValkeyLog,
    { channels, messages, payload = LARGE, ids = false, user }: Flood,
  ): Promise<Map<string, string[]>> {
    const stored = new Map<string, string[]>();
    for (let message = 0; message < messages; message++) {
      const appending: Promise<void>[] = [];
      for (let n = 0; n < channels; n++) {
        const [name, text] = [`flooded-${n}`, `${message} ${payload}`];
        appending.push(
          log.append({ channel: name, payload: text, id: ids ? String(message) : undefined, user }).then(
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

  it("refuses what would make Valkey evict, and loses and doubles nothing", async () => {
    const log = open();
    const first = await log.append({ channel: "victim", payload: "kept", id: "id" });
    const stored = await flood(log, { channels: 60, messages: 20 });
    const count = [...stored.values()].flat().length;
    assert.ok(count > 200 && count < 60 * 20, `${count} stored`);
    assert.equal(await info("stats", "evicted_keys"), 0);

    assert.deepEqual(await log.append({ channel: "victim", payload: "kept", id: "id" }), {
      ...first,
      duplicate: true,
    });
    for (const [name, payloads] of stored) {
      const reader = new LogRecorder();
      reader.stop = log.subscribe(name, reader);
      await reader.length(payloads.length);
      assert.deepEqual([reader.from, reader.payloads], [1, payloads]);
      reader.stop();
    }
    assert.equal(await info("stats", "evicted_keys"), 0);
  });

  for (const flooding of [
    { channels: 2000, messages: 1, payload: "x" },
    { channels: 100, messages: 300, payload: "x", ids: true },
    { channels: 100, messages: 100, payload: "x".repeat(5000) },
    { channels: 5, messages: 200 },
  ]) {
    const { channels, messages, payload = LARGE } = flooding;
    it(`charges what Valkey takes: ${channels} channels, ${messages} times ${payload.length} bytes`, async () => {
      await flood(open(), flooding);
      const used = (await info("memory", "used_memory")) - usedAtStart;
      const sums = (await valkey.command("HGETALL", "{websocket}:storage")) as string[];
      const charged = sums.reduce((sum, text) => sum + Number(text.split(":")[1] ?? 0), 0);
      assert.ok(used <= charged, `${used} are used, ${charged} charged`);
      assert.ok(charged <= BUDGET_MIB * MIB, `${charged} charged`);
    });
  }

  it("lets one user fill a share of it, and others go on", async () => {
    const log = open();
    const stored = await flood(log, { channels: 60, messages: 20, user: "one" });
    assert.ok([...stored.values()].flat().length * LARGE.length < (BUDGET_MIB / 4) * MIB);
    await assert.rejects(log.append({ channel: "another", payload: LARGE, user: "one" }), StorageFullError);
    await log.append({ channel: "another", payload: LARGE, user: "two" });
  });

  it("takes any number of messages of one user that replace earlier ones", async () => {
    const log = open();
    const reader = new LogRecorder();
    reader.stop = log.subscribe("read", reader);
    const count = Math.ceil((2 * (BUDGET_MIB / 4) * MIB) / LARGE.length);
    for (let n = 1; n <= count; n++) {
      await log.append({ channel: "read", payload: LARGE, user: "one" });
      await reader.length(n);
    }
    reader.stop();
  });

  it("has room again when the entries have expired", async () => {
    const log = open({ retainedSeconds: 1 });
    await flood(log, { channels: 60, messages: 20 });
    await waitUntil(async () => {
      const stored = await flood(log, { channels: 60, messages: 1, payload: LARGE });
      return stored.size === 60;
    });
  });
});

interface Flood {
  readonly channels: number;
  readonly messages: number;
  /** @default LARGE */
  readonly payload?: string;
  readonly ids?: boolean;
  readonly user?: string;
}
