/** The Valkey driver on a real server that fails in every way that a test can bring about. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";

import fc from "fast-check";
import { pino } from "pino";
import type { Logger } from "pino";

import { createValkeyLog } from "../../../app/src/log/valkey/valkeyLog.ts";
import type { ValkeyLog, ValkeyLogOptions } from "../../../app/src/log/valkey/valkeyLog.ts";
import { startRebalancing } from "../../../app/src/rebalance.ts";
import type { TaskRegistry } from "../../../app/src/rebalance.ts";
import { USER_NAME } from "../../../infra/components/backplane/valkeyAccess.ts";
import {
  addressAt,
  requireValkey,
  startGuardedValkey,
  startProxy,
  startValkey,
} from "../../support/valkey.ts";
import type { Proxy, TestValkey } from "../../support/valkey.ts";
import { LogRecorder } from "./logRecorder.ts";
import { afterwards, silent, tearDown } from "../support/teardown.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import { Publisher } from "./publisher.ts";

/** Long enough for any way back, and short enough for a test that waits for its end. */
const TIMEOUT_SECONDS = 5;

/** Time until a refused append is tried again, in milliseconds; whatever waits for it would wait that long. */
const REFUSED_RETRY_MS = 50;

/** Each takes about half a second. */
const PROPERTY_RUNS = 8;

describe("the Valkey log, when Valkey fails", () => {
  let binary: string;
  let valkey: TestValkey;
  let channel: string;

  before(async function () {
    binary = await requireValkey(this);
  });

  beforeEach(async () => {
    valkey = await startValkey(binary);
    afterwards(() => valkey.close());
    channel = `channel-${randomUUID()}`;
  });

  afterEach(tearDown);

  const open = (options: Partial<ValkeyLogOptions> = {}): ValkeyLog => {
    const log = createValkeyLog({
      ...valkey.address,
      retainedMessages: 100_000,
      retainedBytes: 16 * 1024 * 1024,
      retainedSeconds: 300,
      blockMs: 2000,
      publishTimeoutSeconds: TIMEOUT_SECONDS,
      logger: silent,
      ...options,
    });
    afterwards(() => log.close());
    return log;
  };

  const proxied = async (port = 0): Promise<Proxy & { readonly url: string }> => {
    const proxy = await startProxy({ to: valkey.port, port });
    afterwards(() => proxy.close());
    return { ...proxy, url: addressAt(proxy.port).url };
  };

  const follow = async (log: ValkeyLog): Promise<LogRecorder> => {
    const reader = new LogRecorder();
    reader.stop = log.subscribe(channel, reader);
    await reader.begun();
    return reader;
  };

  const streamKey = (): string => `{websocket}:channel:${channel}`;

  /** Strikes, one after the other, while the logs publish to each other, and holds them to what they have promised. */
  const publishThrough = async (
    logs: readonly ValkeyLog[],
    strikes: readonly (() => unknown)[],
  ): Promise<void> => {
    const readers = await Promise.all(logs.map(follow));
    const publishers = logs.map((log, index) => new Publisher(log, channel, `p${index}-`));
    const publishing = publishers.map((publisher) => publisher.publishUntilStopped());
    for (const strike of strikes) {
      await delay(20 + 30 * Math.random());
      await strike();
      // Each gets something through before the next strike.
      await Promise.all(publishers.map((publisher) => publisher.progress()));
    }
    for (const publisher of publishers) publisher.stop();
    await Promise.all(publishing);

    const next = Math.max(...(await Promise.all(logs.map((log) => log.end(channel)))).map((end) => end.next));
    for (const reader of readers) {
      await reader.length(next - 1);
      assert.equal(reader.starts, 1);
      assert.deepEqual(reader.payloads, readers[0]?.payloads);
      for (const publisher of publishers) publisher.check(reader.payloads);
    }
  };

  describe("under load", () => {
    it("loses and doubles nothing where connections are cut on the way", async () => {
      const { url, cut } = await proxied();
      await publishThrough([open({ url }), open({ url })], times(10, cut));
    });

    it("loses and doubles nothing where a cluster's connections through TLS are cut", async () => {
      const guarded = await startGuardedValkey(binary);
      afterwards(() => guarded.close());
      await publishThrough([open(guarded.address), open(guarded.address)], times(5, guarded.cut));
    });

    const faults = {
      "connections are killed by the server": () => valkey.command("CLIENT", "KILL", "TYPE", "normal"),
      "scripts are forgotten": () => valkey.command("SCRIPT", "FLUSH"),
      "the server is restarted with its data": async () => {
        await valkey.shutDown();
        await valkey.start();
      },
      "the server does not answer for a while": async () => {
        await valkey.pause();
        await delay(100);
        await valkey.resume();
      },
    };

    for (const [fault, strike] of Object.entries(faults)) {
      it(`loses and doubles nothing where ${fault}`, () =>
        publishThrough([open(), open()], times(4, strike)));
    }

    it("loses and doubles nothing, whatever happens in whatever order", async () => {
      const { url, cut } = await proxied();
      const strikes = { ...faults, "connections are cut": cut };
      const names = fc.constantFrom(...(Object.keys(strikes) as (keyof typeof strikes)[]));
      await fc.assert(
        fc.asyncProperty(fc.array(names, { minLength: 1, maxLength: 5 }), async (schedule) => {
          channel = `channel-${randomUUID()}`;
          const logs = [open({ url }), open()];
          await publishThrough(
            logs,
            schedule.map((name) => strikes[name]),
          );
          await Promise.all(logs.map((log) => log.close()));
        }),
        { numRuns: PROPERTY_RUNS, endOnFailure: true },
      );
    });
  });

  describe("away", () => {
    it("holds what is appended, and keeps its order", async () => {
      const log = open();
      const reader = await follow(log);
      await log.append({ channel, payload: "before" });
      await valkey.shutDown();
      await assert.rejects(log.registry.report(1));
      const payloads = Array.from({ length: 100 }, (_, n) => String(n));
      const appending = payloads.map((payload, n) =>
        log.append({ channel, payload, id: n % 2 === 0 ? payload : undefined }),
      );
      await valkey.start();
      await Promise.all(appending);
      await reader.length(101);
      assert.deepEqual(reader.payloads, ["before", ...payloads]);
      assert.equal(reader.starts, 1);
    });

    it("needs no server to begin with", async () => {
      await valkey.kill();
      const log = open();
      const reader = new LogRecorder();
      log.subscribe(channel, reader);
      const appending = log.append({ channel, payload: "early" });
      const asking = log.end(channel);
      await valkey.start();
      assert.equal((await appending).offset, 1);
      await asking;
      await reader.length(1);
      assert.deepEqual(reader.payloads, ["early"]);
    });

    it("rejects what it cannot store in time, and goes on with the next", async () => {
      const log = open({ publishTimeoutSeconds: 0.3 });
      const reader = await follow(log);
      await untilStored(() => log.append({ channel, payload: "before", id: "before" }));
      await valkey.shutDown();
      await assert.rejects(log.registry.report(1));
      const answers = await Promise.allSettled([
        log.append({ channel, payload: "plain" }),
        log.append({ channel, payload: "with id", id: "id" }),
        log.end(channel),
        log.registry.report(1),
      ]);
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set(["rejected"]));
      await valkey.start();
      const { offset } = await untilStored(() => log.append({ channel, payload: "with id", id: "id" }));
      assert.equal(offset, 2);
      await reader.length(2);
      assert.deepEqual(reader.payloads, ["before", "with id"]);
    });

    it("rejects what is unanswered in time by a server that hangs, and what it stored after all is known by its id", async () => {
      const log = open({ publishTimeoutSeconds: 0.3 });
      const reader = await follow(log);
      await untilStored(() => log.append({ channel, payload: "before", id: "before" }));
      await valkey.pause();
      await assert.rejects(
        log.append({ channel, payload: "with id", id: "id" }),
        /not answered for 0.3 seconds/,
      );
      await valkey.resume();
      await untilStored(() => log.append({ channel, payload: "with id", id: "id" }));
      await untilStored(() => log.append({ channel, payload: "after", id: "after" }));
      await reader.length(3);
      assert.deepEqual(reader.payloads, ["before", "with id", "after"]);
      assert.equal(reader.starts, 1);
    });

    it("gives up connections that nobody answers on, and nobody closes", async () => {
      const proxy = await proxied();
      const log = open({ url: proxy.url, publishTimeoutSeconds: 0.3, blockMs: 50 });
      const reader = await follow(log);
      await untilStored(() => log.append({ channel, payload: "before", id: "before" }));
      proxy.hang();
      await assert.rejects(log.append({ channel, payload: "lost" }), /not answered|was lost/);
      await open().append({ channel, payload: "elsewhere" });
      await reader.length(2);
      await untilStored(() => log.append({ channel, payload: "after", id: "after" }));
      await reader.length(3);
      assert.deepEqual(reader.payloads, ["before", "elsewhere", "after"]);
      assert.equal(reader.starts, 1);
    });

    it("holds no more than it has room for", async () => {
      await valkey.kill();
      const log = open();
      const payload = "x".repeat(1024 * 1024);
      const answers = Array.from({ length: 70 }, () => log.append({ channel, payload }));
      for (const answer of answers) answer.catch(() => undefined);
      await assert.rejects(log.append({ channel, payload }), /Too much waits/);
    });

    it("closes in time, and rejects what it could not store", async () => {
      const log = open({ publishTimeoutSeconds: 60 });
      await log.append({ channel, payload: "before" });
      await valkey.pause();
      const answer = assert.rejects(
        log.append({ channel, payload: "x", id: "id" }),
        /closed before Valkey had answered/,
      );
      await log.close();
      await answer;
      await valkey.resume();
    });
  });

  describe("having lost what it had stored", () => {
    it("takes a new epoch, where the server comes back without its data", async () => {
      const log = open();
      const reader = await follow(log);
      const first = await log.append({ channel, payload: "lost" });
      await reader.length(1);
      await valkey.kill();
      await valkey.start();
      await reader.until(() => reader.starts === 2);
      assert.notEqual(reader.epoch, first.epoch);
      assert.deepEqual([reader.from, reader.end], [1, 1]);
      assert.deepEqual(await log.append({ channel, payload: "new" }), {
        epoch: reader.epoch,
        offset: 1,
        duplicate: false,
      });
      await reader.length(2);
      assert.deepEqual(reader.payloads, ["lost", "new"]);
    });

    it("takes a new epoch, where the server comes back without the newest entries", async () => {
      const log = open();
      const reader = await follow(log);
      const first = await log.append({ channel, payload: "kept" });
      await valkey.command("SAVE");
      await log.append({ channel, payload: "lost" });
      await reader.length(2);
      await valkey.kill();
      await valkey.start();
      await reader.until(() => reader.starts === 2);
      assert.notEqual(reader.epoch, first.epoch);
      assert.equal((await log.append({ channel, payload: "new" })).epoch, reader.epoch);
      await reader.until(() => reader.payloads.at(-1) === "new");
    });

    it("takes a new epoch, where others have appended in their place", async () => {
      const proxy = await proxied();
      const log = open({ url: proxy.url });
      const reader = await follow(log);
      const first = await log.append({ channel, payload: "kept" });
      await valkey.command("SAVE");
      await log.append({ channel, payload: "lost" });
      await reader.length(2);
      await proxy.close();
      await valkey.kill();
      await valkey.start();

      const other = open();
      const second = await other.append({ channel, payload: "in its place" });
      assert.deepEqual([second.epoch, second.offset], [first.epoch, 2]);
      await proxied(proxy.port);
      await reader.until(() => reader.starts === 2);
      assert.notEqual(reader.epoch, first.epoch);
      // The other one learns of it too.
      assert.equal((await other.append({ channel, payload: "new" })).epoch, reader.epoch);
      await reader.until(() => reader.payloads.at(-1) === "new");
    });

    it("takes a new epoch, where an entry that only its publisher knows of is lost", async () => {
      const log = open();
      const first = await log.append({ channel, payload: "kept" });
      await valkey.command("SAVE");
      await log.append({ channel, payload: "lost" });
      await valkey.kill();
      await valkey.start();
      const reader = await follow(log);
      assert.notEqual(reader.epoch, first.epoch);
    });

    it("takes a new epoch, where no connection was lost over it", async () => {
      const log = open();
      const reader = await follow(log);
      const { epoch } = await log.append({ channel, payload: "1" });
      await log.append({ channel, payload: "2" });
      await reader.length(2);
      await valkey.command("DEL", streamKey());
      await valkey.command("XADD", streamKey(), `${epoch}-0`, "", "");

      await assert.rejects(log.append({ channel, payload: "plain" }), /lost/);
      const third = await log.append({ channel, payload: "with id", id: "id" });
      assert.notEqual(third.epoch, epoch);
      await reader.until(() => reader.payloads.at(-1) === "with id");
      assert.deepEqual([reader.epoch, reader.starts], [third.epoch, 2]);
    });

    it("takes a new epoch, where a channel is gone from the server", async () => {
      const log = open();
      const reader = await follow(log);
      const first = await log.append({ channel, payload: "1" });
      await reader.length(1);
      await valkey.command("DEL", streamKey());
      const [second, third] = await Promise.all([
        log.append({ channel, payload: "2" }),
        log.append({ channel, payload: "3", id: "id" }),
      ]);
      assert.notEqual(second.epoch, first.epoch);
      assert.deepEqual([second.offset, third.offset], [1, 2]);
      await reader.length(3);
      assert.deepEqual([reader.payloads, reader.starts], [["1", "2", "3"], 2]);
    });

    it("trims the new epoch as it did the lost one", async () => {
      const log = open({ retainedMessages: 10_000, retainedBytes: 64 * 1024 });
      const reader = await follow(log);
      const payload = "x".repeat(8 * 1024);
      const isTrimmed = async (): Promise<boolean> => Number(await valkey.command("XLEN", streamKey())) <= 20;
      const fill = async (count: number): Promise<void> => {
        for (let n = 0; n < count; n++) await log.append({ channel, payload, id: `${count}-${n}` });
        await reader.until(() => reader.current.length === count);
      };
      await fill(64);
      await waitUntil(isTrimmed);
      await valkey.command("FLUSHALL");
      // Fewer than before the loss: what was known of the lost epoch would be in the way.
      await fill(40);
      await waitUntil(isTrimmed);
    });

    it("notices it also where nobody appends", async () => {
      const log = open({ retainedSeconds: 1 });
      const reader = await follow(log);
      await log.append({ channel, payload: "1" });
      await valkey.command("DEL", streamKey());
      await reader.until(() => reader.starts === 2);
    });
  });

  it("takes a new epoch, where the server comes back with an older one", async () => {
    const log = open();
    const reader = await follow(log);
    await log.append({ channel, payload: "1" });
    await valkey.command("SAVE");
    await valkey.command("DEL", streamKey());
    const second = await log.append({ channel, payload: "2", id: "id" });
    await reader.until(() => reader.payloads.at(-1) === "2");
    await valkey.kill();
    await valkey.start();
    await reader.until(() => reader.starts === 3);
    const third = await log.append({ channel, payload: "3" });
    assert.ok(Number(third.epoch) > Number(second.epoch));
    await reader.until(() => reader.payloads.at(-1) === "3");
    assert.deepEqual([reader.epoch, reader.starts], [third.epoch, 3]);
  });

  for (const [loss, lose] of Object.entries({
    "is gone": () => valkey.command("DEL", streamKey()),
    "has lost an entry": async (epoch: string) => {
      await valkey.command("DEL", streamKey());
      await valkey.command("XADD", streamKey(), `${epoch}-0`, "", "");
    },
  })) {
    it(`takes an epoch above the known one also if that is ahead of the server's clock, where a channel ${loss}`, async () => {
      const ahead = String(Date.now() + 3_600_000);
      await valkey.command("XADD", streamKey(), `${ahead}-0`, "", "");
      const log = open();
      const first = await log.append({ channel, payload: "1", id: "1" });
      assert.deepEqual(first, { epoch: ahead, offset: 1, duplicate: false });
      await lose(ahead);
      const second = await log.append({ channel, payload: "2", id: "2" });
      assert.deepEqual([Number(second.epoch) > Number(ahead), second.offset], [true, 1]);
      const reader = await follow(log);
      await reader.length(1);
      assert.deepEqual([reader.epoch, reader.from, reader.payloads], [second.epoch, 1, ["2"]]);
    });
  }

  describe("as the log file shows it", () => {
    let messages: string[];
    let lines: string[];
    let logger: Logger;

    beforeEach(() => {
      messages = [];
      lines = [];
      const write = (line: string): void => {
        lines.push(line);
        messages.push((JSON.parse(line) as { msg: string }).msg);
      };
      logger = pino({ level: "info" }, { write });
    });

    it("is one line for each thing that a full server refuses, however often it does", async () => {
      const log = open({ logger, publishTimeoutSeconds: 1 });
      await follow(log);
      await valkey.command("CONFIG", "SET", "maxmemory", 1);
      let reports = 0;
      const registry: TaskRegistry = {
        report(connections) {
          reports += 1;
          return log.registry.report(connections);
        },
      };
      const release = (): Promise<void> => Promise.resolve();
      afterwards(startRebalancing({ registry, connections: () => 1, release, logger, intervalMs: 20 }));
      // Each is tried again many times.
      await assert.rejects(log.append({ channel, payload: "1" }), /not answered for 1 second/);
      await assert.rejects(log.append({ channel, payload: "2", id: "2" }), /not answered for 1 second/);
      await waitUntil(() => reports > 20);
      const expected = ["Valkey refuses to open a channel", "no rebalancing: the other tasks are not known"];
      assert.deepEqual(messages.sort(), expected);
      for (const line of lines) assert.ok(line.includes("OOM") && !line.includes("stack"), line);
    });

    it("is one line for each connection that is lost, and one when it is back", async () => {
      const log = open({ logger });
      await log.append({ channel, payload: "1" });
      await valkey.kill();
      await delay(1000);
      await valkey.start();
      await log.append({ channel, payload: "2" });
      await waitUntil(() => messages.length === 4);
      assert.deepEqual(messages.sort(), [...times(2, "Valkey is away"), ...times(2, "Valkey is back")]);
    });

    for (const start of [startValkey, startGuardedValkey]) {
      it(`is one line for each connection whose password is wrong (${start.name})`, async () => {
        const refusing = await start(binary);
        afterwards(() => refusing.close());
        const log = open({ ...refusing.address, password: "wrong", logger, publishTimeoutSeconds: 1 });
        await assert.rejects(log.append({ channel, payload: "1" }));
        assert.deepEqual(messages, times(2, "Valkey is away"));
        for (const line of lines) assert.match(line, /does not accept the user or the password/);
      });
    }
  });

  describe("refusing one channel", () => {
    /** Something that is no stream, where the stream of a channel should be. */
    const spoil = async (): Promise<void> => {
      await valkey.command("DEL", streamKey());
      await valkey.command("SET", streamKey(), "no stream");
    };

    const appendAndMend = async (log: ValkeyLog): Promise<void> => {
      const appendToAnother = async (name: string): Promise<number> => {
        const since = performance.now();
        // One after the other: each would be held up.
        for (let n = 1; n <= 150; n++)
          await log.append({ channel: name, payload: "x", id: n % 2 === 0 ? String(n) : undefined });
        return performance.now() - since;
      };
      const usualMs = await appendToAnother(`usual-${channel}`);
      let settled = false;
      const refused = Promise.all(
        ["1", "2", "3"].map((payload) => log.append({ channel, payload, id: payload })),
      );
      refused.finally(() => (settled = true)).catch(() => undefined);
      const tookMs = await appendToAnother(`good-${channel}`);
      assert.ok(tookMs - usualMs < (150 * REFUSED_RETRY_MS) / 2, `${tookMs} ms, and usually ${usualMs} ms`);
      const last = log.append({ channel, payload: "4" });
      assert.equal(settled, false);
      await valkey.command("DEL", streamKey());
      const offsets = (await refused).map(({ offset }) => offset);
      assert.deepEqual([...offsets, (await last).offset], [1, 2, 3, 4]);
    };

    it("goes on with appends to the others, and keeps the order in it", async () => {
      await spoil();
      await appendAndMend(open({ publishTimeoutSeconds: 15 }));
    });

    it("goes on with them also where the channel was open already", async () => {
      const log = open({ publishTimeoutSeconds: 15 });
      await log.append({ channel, payload: "before" });
      await spoil();
      await appendAndMend(log);
    });

    it("rejects in time what cannot be stored in it, and closes", async () => {
      const log = open({ publishTimeoutSeconds: 0.3 });
      await spoil();
      await assert.rejects(log.append({ channel, payload: "x", id: "id" }), /not answered for 0.3 seconds/);
      const answer = assert.rejects(log.append({ channel, payload: "x" }), /not answered for 0.3 seconds/);
      await log.close();
      await answer;
    });

    it("goes on reading the others, and reads it when it can", async () => {
      const lines: string[] = [];
      const logger = pino({ level: "warn" }, { write: (line: string) => lines.push(line) });
      const log = open({ logger });
      await spoil();
      const refused = new LogRecorder();
      log.subscribe(channel, refused);
      const good = new LogRecorder();
      log.subscribe(`good-${channel}`, good);
      for (let n = 0; n < 150; n++) {
        await log.append({ channel: `good-${channel}`, payload: String(n) });
        await good.length(n + 1);
      }
      assert.equal(good.starts, 1);
      assert.equal(refused.starts, 0);
      await valkey.command("DEL", streamKey());
      await log.append({ channel, payload: "mended" });
      await refused.length(1);
      assert.deepEqual(refused.payloads, ["mended"]);
      assert.equal(lines.filter((line) => line.includes("refuses to open a channel")).length, 1);
    });

    it("goes on reading the others also where it had begun with it", async () => {
      const log = open();
      const spoilt = await follow(log);
      const good = new LogRecorder();
      log.subscribe(`good-${channel}`, good);
      await log.append({ channel, payload: "before" });
      await spoilt.length(1);
      await spoil();
      for (let n = 0; n < 150; n++) {
        await log.append({ channel: `good-${channel}`, payload: String(n) });
        await good.length(n + 1);
      }
      await valkey.command("DEL", streamKey());
      await spoilt.until(() => spoilt.starts === 2);
    });
  });

  it("begins again in the same epoch, where entries were dropped before they could be read", async () => {
    const proxy = await proxied();
    const log = open({ url: proxy.url, retainedMessages: 100 });
    const reader = await follow(log);
    const { epoch } = await log.append({ channel, payload: "1" });
    await reader.length(1);
    await proxy.close();

    const other = open({ retainedMessages: 100 });
    await Promise.all(
      Array.from({ length: 999 }, (_, n) => other.append({ channel, payload: String(n + 2) })),
    );
    await proxied(proxy.port);
    await reader.until(() => reader.payloads.at(-1) === "1000");
    assert.deepEqual([reader.epoch, reader.starts, reader.end], [epoch, 2, 1001]);
    assert.ok(reader.from > 2);
  });

  it("polls where the server does not let reads wait, and says so", async () => {
    await valkey.command("ACL", "SETUSER", USER_NAME, "-xread", "+xread|count");
    const lines: string[] = [];
    const logger = pino({ level: "warn" }, { write: (line: string) => lines.push(line) });
    const log = open({ logger });
    const reader = await follow(log);
    for (const payload of ["1", "2", "3"]) await log.append({ channel, payload });
    await reader.length(3);
    assert.deepEqual([reader.payloads, reader.starts], [["1", "2", "3"], 1]);
    assert.equal(lines.filter((line) => line.includes("does not let reads wait")).length, 1);
  });

  it("makes no stream for a channel that is only read, and refreshes it no longer than that", async () => {
    const retainedSeconds = 1;
    const log = open({ retainedSeconds });
    const reader = await follow(log);
    assert.equal(await valkey.command("EXISTS", streamKey()), 0);
    const keys = await valkey.command("KEYS", `*${channel}`);
    assert.deepEqual(keys, [`{websocket}:record:${channel}`]);
    assert.ok(Number(await valkey.command("MEMORY", "USAGE", `{websocket}:record:${channel}`)) < 512);
    reader.stop();
    const expiryMs = async (): Promise<number> =>
      Number(await valkey.command("PTTL", `{websocket}:record:${channel}`));
    const before = await expiryMs();
    // A refresh, which comes four times in that time, would set it anew.
    await waitUntil(async () => (await expiryMs()) < before - retainedSeconds * 1000);
    assert.equal((await log.append({ channel, payload: "first" })).epoch, reader.epoch);
  });

  it("leaves nothing behind that does not expire", async () => {
    const log = open();
    const reader = await follow(log);
    await log.append({ channel, payload: "x", id: "id" });
    await follow(log);
    await log.registry.report(1);
    await reader.length(1);
    const keys = await valkey.command("KEYS", "*");
    assert.ok(Array.isArray(keys) && keys.length >= 3, String(keys));
    for (const key of keys) assert.ok(Number(await valkey.command("PTTL", String(key))) > 0, String(key));
  });

  it("counts the connections of all tasks that live", async () => {
    const [one, two] = [open(), open()];
    await untilStored(() => one.registry.report(3));
    await untilStored(() => two.registry.report(4));
    assert.deepEqual([...(await one.registry.report(5))].sort(), [4, 5]);
    await two.close();
    assert.deepEqual(await one.registry.report(5), [5]);
  });
});

function times<Item>(count: number, item: Item): readonly Item[] {
  return Array.from({ length: count }, () => item);
}

/** Tries again until the server is there. */
async function untilStored<Answer>(call: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    try {
      return await call();
    } catch {
      await delay(10);
    }
  }
}
