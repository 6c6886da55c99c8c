import assert from "node:assert/strict";

import type { LogPage, MessageLog, Retention } from "../../../app/src/log/log.ts";
import { createMemoryLog } from "../../../app/src/log/memory/memoryLog.ts";
import { createValkeyLog } from "../../../app/src/log/valkey/valkeyLog.ts";
import { TASKS_KEY } from "../../../app/src/log/valkey/valkeyChannel.ts";
import { connectToValkey } from "../../../app/src/log/valkey/valkeyConnection.ts";
import { appendScript, openScript, reportScript } from "../../../app/src/log/valkey/scripts.ts";
import { DATA_COMMANDS } from "../../../infra/components/backplane/valkeyAccess.ts";
import { requireValkey, startGuardedValkey, startValkey } from "../../support/valkey.ts";
import type { TestValkey } from "../../support/valkey.ts";
import { FaultyLog } from "./faultyLog.ts";
import { describeLogContract } from "./logContract.ts";
import { LogRecorder } from "./logRecorder.ts";
import { afterwards, silent, tearDown } from "../support/teardown.ts";

/** See https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/SupportedCommands.html; `TIME` only within scripts. */
const REFUSED_COMMANDS = [
  ...[
    "TIME",
    "SELECT 1",
    "KEYS *",
    "CONFIG GET maxmemory",
    "CONFIG SET maxmemory 1",
    "CLIENT KILL TYPE normal",
  ],
  ...["CLIENT LIST", "DEBUG JMAP", "MEMORY DOCTOR", "MONITOR", "SAVE", "SHUTDOWN", "SLOWLOG LEN", "FLUSHALL"],
  ...["FUNCTION LIST", "SCRIPT FLUSH", "ACL WHOAMI", "MODULE LIST", "WAIT 0 0"],
];

describeLogContract("memory", {
  open: (retention) => createMemoryLog({ retentionOf: () => retention }),
  shared: false,
});
describeLogContract("faulty test", { open: (retention) => new FaultyLog(retention).view(0), shared: false });

for (const [name, start] of [
  ["Valkey", startValkey],
  ["Valkey (cluster, TLS)", startGuardedValkey],
] as const) {
  describe(`a ${name} server`, () => {
    let valkey: TestValkey | undefined;

    before(async function () {
      valkey = await start(await requireValkey(this));
    });

    afterEach(tearDown);

    after(() => valkey?.close());

    it("refuses the commands that ElastiCache Serverless refuses, also within scripts", async () => {
      assert.ok(valkey !== undefined);
      const connection = connectToValkey({
        ...valkey.address,
        name: "curious",
        answerTimeoutMs: 5000,
        logger: silent,
      });
      afterwards(() => {
        connection.close();
      });
      await connection.waitUntilReady();
      for (const command of REFUSED_COMMANDS) {
        const [word, ...args] = command.split(" ");
        const call = `return redis.call(${command.replaceAll(/\S+/g, "'$&'").replaceAll(" ", ", ")})`;
        const outcomes = await connection.send([
          ["call", String(word), ...args],
          ["eval", call, 1, TASKS_KEY],
        ]);
        assert.deepEqual(
          outcomes.map(({ kind }) => kind),
          ["refused", "refused"],
          command,
        );
      }
    });

    describeLogContract(name, {
      shared: true,
      open(retention: Retention): MessageLog {
        assert.ok(valkey !== undefined);
        return createValkeyLog({
          ...valkey.address,
          retentionOf: () => retention,
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
  const open = (changes: Partial<Retention> = {}, now = (): number => performance.now()): MessageLog =>
    createMemoryLog({ retentionOf: () => ({ ...retention, ...changes }), now });

  it("begins a new epoch for a channel that was unused for the retention time", async () => {
    const log = open({ retainedSeconds: 0.05 });
    const { epoch } = await log.append({ channel: "c", record: "x" });
    let position = await log.end("c");
    // Each call of `end` is a use, so that the next wait is longer.
    for (let ms = 60; position.epoch === epoch; ms *= 2) {
      await new Promise((resolve) => setTimeout(resolve, ms));
      position = await log.end("c");
    }
    assert.equal(position.next, 1);
    await log.close();
  });

  it("retains each entry for its whole time, also after an older one", async () => {
    let nowMs = 0;
    const log = open({ retainedSeconds: 300 }, () => nowMs);
    await log.append({ channel: "c", record: "older" });
    nowMs = 30_000;
    await log.append({ channel: "c", record: "newer" });
    nowMs = 310_000;
    const { epoch } = await log.end("c");
    const read = (): Promise<LogPage> => log.read("c", { epoch, next: 1 }, 1000);
    assert.equal((await read()).entries.at(-1)?.record, "newer");
    nowMs = 331_000;
    assert.deepEqual(await read(), { from: { epoch, next: 3 }, entries: [], end: 3 });
    await log.close();
  });

  it("keeps an id for longer than its entry", async () => {
    const log = open({ retainedBytes: 10 });
    const first = await log.append({ channel: "c", record: "12345", id: "id" });
    await log.append({ channel: "c", record: "1234567890" });
    assert.deepEqual(await log.append({ channel: "c", record: "12345", id: "id" }), {
      ...first,
      duplicate: true,
    });
    await log.close();
  });

  it("drops ids beyond the number of entries that it retains, and beyond their age", async () => {
    let now = 0;
    const log = open({}, () => now);
    const append = async (id: string): Promise<boolean> =>
      (await log.append({ channel: "c", record: "x", id })).duplicate;
    const ids = Array.from({ length: 1000 }, (_, n) => `id-${n}`);
    for (const id of ids) assert.equal(await append(id), false);
    const isKept: boolean[] = [];
    for (const id of ids.slice(-retention.retainedMessages)) isKept.push(await append(id));
    assert.deepEqual(new Set(isKept), new Set([true]));
    assert.equal(await append("id-0"), false);
    assert.equal(await append("id-901"), true);
    assert.equal(await append("id-900"), false);

    now = retention.retainedSeconds * 1000 + 1;
    // A read drops old ids before it begins.
    await log.read("c", { epoch: "", next: 1 }, 1000);
    assert.equal(await append("id-999"), false);
    await log.close();
  });

  describe("without readers", () => {
    /** The budget is 64 full channels. */
    const small = { retainedMessages: 100, retainedBytes: 4096, retainedSeconds: 10 };
    const names = Array.from({ length: 1000 }, (_, n) => `channel ${n}`);

    /** Returns how many of the last channels are kept. */
    const keptOf = async (log: MessageLog, epochs: readonly string[]): Promise<number> => {
      for (let kept = 0; kept < epochs.length; kept++) {
        const index = epochs.length - 1 - kept;
        if ((await log.end(String(names[index]))).epoch !== epochs[index]) return kept;
      }
      return epochs.length;
    };

    it("keeps the channels that were used last, within one budget", async () => {
      const log = open(small);
      const epochs: string[] = [];
      for (const name of names)
        epochs.push((await log.append({ channel: name, record: "x".repeat(4096) })).epoch);
      const kept = await keptOf(log, epochs);
      assert.ok(kept >= 16 && kept <= 64, `${kept} kept`);
      await log.close();
    });

    it("counts the memory of empty channels and of ids", async () => {
      for (const append of [
        undefined,
        (log: MessageLog, name: string) => log.append({ channel: name, record: "", id: "x".repeat(4096) }),
      ]) {
        const log = open(small);
        const epochs: string[] = [];
        for (const name of names) {
          await append?.(log, name);
          epochs.push((await log.end(name)).epoch);
        }
        const kept = await keptOf(log, epochs);
        assert.ok(kept >= 16 && kept <= 256, `${kept} kept`);
        await log.close();
      }
    });

    it("keeps channels that are used or read", async () => {
      const log = open(small);
      const reader = new LogRecorder();
      const left = new LogRecorder();
      const stop = log.subscribe("read", reader);
      const leave = log.subscribe("left", left);
      const { epoch } = await log.append({ channel: "used", record: "x" });
      const follow = async (): Promise<void> => {
        for (const name of names) {
          await log.append({ channel: name, record: "x".repeat(4096) });
          await log.end("used");
        }
      };
      await follow();
      assert.equal((await log.end("used")).epoch, epoch);
      assert.equal((await log.append({ channel: "read", record: "x" })).epoch, reader.epoch);
      assert.equal((await log.append({ channel: "left", record: "x" })).epoch, left.epoch);
      leave();
      leave();
      await follow();
      assert.equal((await log.end("read")).epoch, reader.epoch);
      assert.notEqual((await log.end("left")).epoch, left.epoch);
      stop();
      await log.close();
    });

    it("keeps the channel in use if it exceeds the budget by itself", async () => {
      const log = open({ ...small, retainedBytes: 16 });
      const { epoch } = await log.append({ channel: "c", record: "x".repeat(100_000) });
      assert.equal((await log.append({ channel: "c", record: "x" })).epoch, epoch);
      assert.equal((await log.append({ channel: "c", record: "x".repeat(100_000), id: "id" })).epoch, epoch);
      await log.close();
    });
  });

  it("has epochs of its own", async () => {
    const logs = [open(), open()];
    const ends = await Promise.all(logs.map((log) => log.end("c")));
    assert.notEqual(ends[0]?.epoch, ends[1]?.epoch);
    await Promise.all(logs.map((log) => log.close()));
  });
});

describe("the scripts in Valkey", () => {
  for (const [name, { text }] of Object.entries({ openScript, appendScript, reportScript })) {
    it(`call no command that ElastiCache Serverless refuses: ${name}`, () => {
      const called = [...text.matchAll(/redis\.p?call\(\s*'(\w+)'/g)].map(([, command]) => command);
      assert.equal(called.length, text.split("redis.").length - 1, "a call without the name of its command");
      for (const command of called) assert.ok(isDataCommand(command), `${name} calls ${command}`);
    });
  }

  const isDataCommand = (command: string | undefined): boolean =>
    DATA_COMMANDS.some((allowed) => allowed === command?.toLowerCase());
});
