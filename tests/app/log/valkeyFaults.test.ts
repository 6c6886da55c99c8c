/** The Valkey driver under load and without a server. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";

import fc from "fast-check";

import { followRetained } from "./followRetained.ts";
import type { ValkeyLog } from "../../../app/src/log/valkey/valkeyLog.ts";
import { startGuardedValkey } from "../../support/valkey.ts";
import { afterwards } from "../support/teardown.ts";
import { LogRecorder } from "./logRecorder.ts";
import { Publisher } from "./publisher.ts";
import { channel, follow, untilStored, useValkey } from "./valkeyFixture.ts";

/** Each run takes about half a second. */
const PROPERTY_RUNS = 8;

describe("the Valkey log under faults", () => {
  const valkey = useValkey();

  /** Causes faults one after the other while the logs publish, and compares what was stored with what was acknowledged. */
  const publishThrough = async (
    logs: readonly ValkeyLog[],
    causes: readonly (() => unknown)[],
    name = channel,
  ): Promise<void> => {
    const readers = await Promise.all(logs.map((log) => follow(log, name)));
    const publishers = logs.map((log, index) => new Publisher(log, name, `p${index}-`));
    const publishing = publishers.map((publisher) => publisher.publishUntilStopped());
    for (const cause of causes) {
      await cause();
      // Each publisher stores a message before the next fault.
      await Promise.all(publishers.map((publisher) => publisher.progress()));
    }
    for (const publisher of publishers) publisher.stop();
    await Promise.all(publishing);

    const next = Math.max(...(await Promise.all(logs.map((log) => log.end(name)))).map((end) => end.next));
    for (const reader of readers) {
      await reader.length(next - 1);
      assert.equal(reader.starts, 1);
      assert.deepEqual(reader.records, readers[0]?.records);
      for (const publisher of publishers) publisher.check(reader.records);
    }
  };

  it("loses and doubles no message if connections are cut", async () => {
    const { url, cut } = await valkey.proxied();
    await publishThrough([valkey.open({ url }), valkey.open({ url })], times(10, cut));
  });

  it("loses and doubles no message if a cluster's TLS connections are cut", async () => {
    const guarded = await startGuardedValkey(valkey.binary);
    afterwards(() => guarded.close());
    await publishThrough([valkey.open(guarded.address), valkey.open(guarded.address)], times(5, guarded.cut));
  });

  const faults = {
    "the server closes connections": () => valkey.server.command("CLIENT", "KILL", "TYPE", "normal"),
    "the server drops its scripts": () => valkey.server.command("SCRIPT", "FLUSH"),
    "the server restarts with its data": async () => {
      await valkey.server.shutDown();
      await valkey.server.start();
    },
    "the server does not answer for a while": async () => {
      await valkey.server.pause();
      await delay(100);
      await valkey.server.resume();
    },
  };

  for (const [fault, cause] of Object.entries(faults)) {
    it(`loses and doubles no message if ${fault}`, () =>
      publishThrough([valkey.open(), valkey.open()], times(4, cause)));
  }

  it("loses and doubles no message under several faults in any order", async () => {
    const { url, cut } = await valkey.proxied();
    const all = { ...faults, "connections are cut": cut };
    const names = fc.constantFrom(...(Object.keys(all) as (keyof typeof all)[]));
    await fc.assert(
      fc.asyncProperty(fc.array(names, { minLength: 1, maxLength: 5 }), async (schedule) => {
        const logs = [valkey.open({ url }), valkey.open()];
        await publishThrough(
          logs,
          schedule.map((name) => all[name]),
          `channel-${randomUUID()}`,
        );
        await Promise.all(logs.map((log) => log.close()));
      }),
      { numRuns: PROPERTY_RUNS, endOnFailure: true },
    );
  });

  describe("without a server", () => {
    it("holds appends, and keeps their order", async () => {
      const log = valkey.open();
      const reader = await follow(log);
      await log.append({ channel, record: "before" });
      await valkey.server.shutDown();
      await assert.rejects(log.registry.report(1));
      const records = Array.from({ length: 100 }, (_, n) => String(n));
      const appending = records.map((record, n) =>
        log.append({ channel, record, id: n % 2 === 0 ? record : undefined }),
      );
      await valkey.server.start();
      await Promise.all(appending);
      await reader.length(101);
      assert.deepEqual(reader.records, ["before", ...records]);
      assert.equal(reader.starts, 1);
    });

    it("starts without a server", async () => {
      await valkey.server.kill();
      const log = valkey.open();
      const reader = new LogRecorder();
      followRetained(log, channel, reader);
      const appending = log.append({ channel, record: "early" });
      const asking = log.end(channel);
      await valkey.server.start();
      assert.equal((await appending).offset, 1);
      await asking;
      await reader.length(1);
      assert.deepEqual(reader.records, ["early"]);
    });

    it("rejects appends after the timeout, and stores later ones", async () => {
      const log = valkey.open({ publishTimeoutSeconds: 0.3 });
      const reader = await follow(log);
      await untilStored(() => log.append({ channel, record: "before", id: "before" }));
      await valkey.server.shutDown();
      await assert.rejects(log.registry.report(1));
      const answers = await Promise.allSettled([
        log.append({ channel, record: "plain" }),
        log.append({ channel, record: "with id", id: "id" }),
        log.end(channel),
        log.registry.report(1),
      ]);
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set(["rejected"]));
      await valkey.server.start();
      const { offset } = await untilStored(() => log.append({ channel, record: "with id", id: "id" }));
      assert.equal(offset, 2);
      await reader.length(2);
      assert.deepEqual(reader.records, ["before", "with id"]);
    });

    it("rejects appends that a suspended server does not answer, and stores a repeated id once", async () => {
      const log = valkey.open({ publishTimeoutSeconds: 0.3 });
      const reader = await follow(log);
      await untilStored(() => log.append({ channel, record: "before", id: "before" }));
      await valkey.server.pause();
      await assert.rejects(
        log.append({ channel, record: "with id", id: "id" }),
        /not answered for 0.3 seconds/,
      );
      await valkey.server.resume();
      await untilStored(() => log.append({ channel, record: "with id", id: "id" }));
      await untilStored(() => log.append({ channel, record: "after", id: "after" }));
      await reader.length(3);
      assert.deepEqual(reader.records, ["before", "with id", "after"]);
      assert.equal(reader.starts, 1);
    });

    it("replaces connections without replies that the network does not close", async () => {
      const proxy = await valkey.proxied();
      const log = valkey.open({ url: proxy.url, publishTimeoutSeconds: 0.3 });
      const reader = await follow(log);
      await untilStored(() => log.append({ channel, record: "before", id: "before" }));
      proxy.hang();
      await assert.rejects(log.append({ channel, record: "lost" }), /not answered|was lost/);
      await valkey.open().append({ channel, record: "elsewhere" });
      await reader.length(2);
      await untilStored(() => log.append({ channel, record: "after", id: "after" }));
      await reader.length(3);
      assert.deepEqual(reader.records, ["before", "elsewhere", "after"]);
      assert.equal(reader.starts, 1);
    });

    it("rejects appends beyond the memory for pending ones", async () => {
      await valkey.server.kill();
      const log = valkey.open();
      const record = "x".repeat(1024 * 1024);
      const answers = Array.from({ length: 70 }, () => log.append({ channel, record }));
      for (const answer of answers) answer.catch(() => undefined);
      await assert.rejects(log.append({ channel, record }), /Too much waits/);
    });

    it("rejects appends that open too many channels, and stores those to open channels", async () => {
      const log = valkey.open({ publishTimeoutSeconds: 30 });
      await log.append({ channel, record: "before" });
      await valkey.server.pause();
      const opening = Array.from({ length: 5000 }, (_, n) =>
        log.append({ channel: `new-${n}`, record: "x" }),
      );
      await assert.rejects(log.append({ channel: "beyond", record: "x" }), /Too many channels wait/);
      const others = ["new-0", channel].map((name) => log.append({ channel: name, record: "after" }));
      await valkey.server.resume();
      const stored = await Promise.all([...opening, ...others]);
      assert.equal(stored.at(-1)?.offset, 2);
      assert.equal((await log.append({ channel: "beyond", record: "x" })).offset, 1);
    });

    it("closes in time, and rejects the pending appends", async () => {
      const log = valkey.open({ publishTimeoutSeconds: 60 });
      await log.append({ channel, record: "before" });
      await valkey.server.pause();
      const answer = assert.rejects(
        log.append({ channel, record: "x", id: "id" }),
        /closed before Valkey had answered/,
      );
      await log.close();
      await answer;
      await valkey.server.resume();
    });
  });
});

function times<Item>(count: number, item: Item): readonly Item[] {
  return Array.from({ length: count }, () => item);
}
