import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";

import { followRetained } from "./followRetained.ts";
import type { ValkeyLog } from "../../../app/src/log/valkey/valkeyLog.ts";
import { startRebalancing } from "../../../app/src/rebalance.ts";
import type { TaskRegistry } from "../../../app/src/log/log.ts";
import { USER_NAME } from "../../../infra/components/backplane/valkeyAccess.ts";
import { startGuardedValkey, startValkey } from "../../support/valkey.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import { recordLog } from "../support/logLines.ts";
import { afterwards } from "../support/teardown.ts";
import { LogRecorder } from "./logRecorder.ts";
import { channel, follow, STREAM_KEY, useValkey } from "./valkeyFixture.ts";

/** Delay before refused appends are sent again, in milliseconds. */
const REFUSED_RETRY_MS = 50;

describe("the Valkey log with a server that refuses commands", () => {
  const valkey = useValkey();

  describe("the log lines", () => {
    it("are one per kind of command that a full server refuses", async () => {
      const { logger, lines, messages } = recordLog();
      const log = valkey.open({ logger, publishTimeoutSeconds: 1 });
      await follow(log);
      await valkey.server.command("CONFIG", "SET", "maxmemory", 1);
      let reports = 0;
      const registry: TaskRegistry = {
        report(connections) {
          reports += 1;
          return log.registry.report(connections);
        },
      };
      const release = (): Promise<void> => Promise.resolve();
      afterwards(startRebalancing({ registry, connections: () => 1, release, logger, intervalMs: 20 }));
      // Each command is repeated many times.
      await assert.rejects(log.append({ channel, record: "1" }), /not answered for 1 second/);
      await assert.rejects(log.append({ channel, record: "2", id: "2" }), /not answered for 1 second/);
      await waitUntil(() => reports > 20);
      const expected = ["Valkey refuses to open a channel", "no rebalancing: the other tasks are not known"];
      assert.deepEqual(messages().toSorted(), expected);
      for (const line of lines) assert.match(JSON.stringify(line), /^(?!.*stack).*OOM/);
    });

    it("are one for each lost connection, and one when it is ready again", async () => {
      const { logger, messages } = recordLog();
      const log = valkey.open({ logger });
      await log.append({ channel, record: "1" });
      await valkey.server.kill();
      let attempts = 0;
      const closing = createServer((socket) => {
        attempts += 1;
        socket.destroy();
      }).listen(valkey.server.port, "127.0.0.1");
      await waitUntil(() => attempts > 5, { everyMs: 10 });
      closing.close();
      await once(closing, "close");
      await valkey.server.start();
      await log.append({ channel, record: "2" });
      await waitUntil(() => messages().length === 4);
      assert.deepEqual(messages().toSorted(), [...times(2, "Valkey is away"), ...times(2, "Valkey is back")]);
    });

    for (const start of [startValkey, startGuardedValkey]) {
      it(`are one for each connection with a wrong password (${start.name})`, async () => {
        const { logger, lines, messages } = recordLog();
        const refusing = await start(valkey.binary);
        afterwards(() => refusing.close());
        const log = valkey.open({ ...refusing.address, password: "wrong", logger, publishTimeoutSeconds: 1 });
        await assert.rejects(log.append({ channel, record: "1" }));
        assert.deepEqual(messages(), times(2, "Valkey is away"));
        for (const line of lines)
          assert.match(JSON.stringify(line), /does not accept the user or the password/);
      });
    }
  });

  describe("a channel that the server refuses", () => {
    /** Stores a string under the key of the stream. */
    const breakStream = async (): Promise<void> => {
      await valkey.server.command("DEL", STREAM_KEY);
      await valkey.server.command("SET", STREAM_KEY, "no stream");
    };

    const appendAndRepair = async (log: ValkeyLog): Promise<void> => {
      const appendToAnother = async (name: string): Promise<number> => {
        const since = performance.now();
        // One after the other, so that each would be delayed.
        for (let n = 1; n <= 150; n++)
          await log.append({ channel: name, record: "x", id: n % 2 === 0 ? String(n) : undefined });
        return performance.now() - since;
      };
      const usualMs = await appendToAnother(`usual-${channel}`);
      let settled = false;
      const refused = Promise.all(
        ["1", "2", "3"].map((record) => log.append({ channel, record, id: record })),
      );
      refused.finally(() => (settled = true)).catch(() => undefined);
      const tookMs = await appendToAnother(`good-${channel}`);
      assert.ok(tookMs - usualMs < (150 * REFUSED_RETRY_MS) / 2, `${tookMs} ms, and usually ${usualMs} ms`);
      const last = log.append({ channel, record: "4" });
      assert.equal(settled, false);
      await valkey.server.command("DEL", STREAM_KEY);
      const offsets = (await refused).map(({ offset }) => offset);
      assert.deepEqual([...offsets, (await last).offset], [1, 2, 3, 4]);
    };

    it("does not delay appends to other channels, and keeps its order", async () => {
      await breakStream();
      await appendAndRepair(valkey.open({ publishTimeoutSeconds: 15 }));
    });

    it("does not delay them if it was open already", async () => {
      const log = valkey.open({ publishTimeoutSeconds: 15 });
      await log.append({ channel, record: "before" });
      await breakStream();
      await appendAndRepair(log);
    });

    it("rejects appends after the timeout, and lets the log close", async () => {
      const log = valkey.open({ publishTimeoutSeconds: 0.3 });
      await breakStream();
      await assert.rejects(log.append({ channel, record: "x", id: "id" }), /not answered for 0.3 seconds/);
      const answer = assert.rejects(log.append({ channel, record: "x" }), /not answered for 0.3 seconds/);
      await log.close();
      await answer;
    });

    it("does not delay the reads of other channels, and is read later", async () => {
      const { logger, messages } = recordLog("warn");
      const log = valkey.open({ logger });
      await breakStream();
      const refused = new LogRecorder();
      followRetained(log, channel, refused);
      const good = new LogRecorder();
      followRetained(log, `good-${channel}`, good);
      for (let n = 0; n < 150; n++) {
        await log.append({ channel: `good-${channel}`, record: String(n) });
        await good.length(n + 1);
      }
      assert.equal(good.starts, 1);
      assert.equal(refused.starts, 0);
      await valkey.server.command("DEL", STREAM_KEY);
      await refused.begun();
      await log.append({ channel, record: "repaired" });
      await refused.length(1);
      assert.deepEqual(refused.records, ["repaired"]);
      assert.deepEqual(messages(), ["Valkey refuses to open a channel"]);
    });

    it("does not delay the reads of other channels if it was read already", async () => {
      // The task verifies in short intervals that the channel is still there.
      const log = valkey.open({ retainedSeconds: 2 });
      const broken = await follow(log);
      const good = new LogRecorder();
      log.subscribe(`good-${channel}`, good);
      await log.append({ channel, record: "before" });
      await broken.length(1);
      await breakStream();
      for (let n = 0; n < 150; n++) {
        await log.append({ channel: `good-${channel}`, record: String(n) });
        await good.length(n + 1);
      }
      await valkey.server.command("DEL", STREAM_KEY);
      await broken.until(() => broken.starts === 2);
    });
  });

  it("polls if the server refuses subscriptions, and logs it once", async () => {
    await valkey.server.command("ACL", "SETUSER", USER_NAME, "-ssubscribe");
    const { logger, messages } = recordLog("warn");
    const log = valkey.open({ logger });
    const readers = await Promise.all([follow(log), follow(log, "other")]);
    for (const record of ["1", "2", "3"]) await log.append({ channel, record });
    await readers[0].length(3);
    await log.append({ channel: "other", record: "4" });
    await readers[1].length(1);
    assert.deepEqual([readers[0].records, readers[0].starts], [["1", "2", "3"], 1]);
    assert.deepEqual(messages(), ["Valkey does not permit publish and subscribe, and is polled"]);
  });

  it("polls if the server refuses to publish, and logs it once", async () => {
    const { logger, messages } = recordLog("warn");
    await valkey.server.command("ACL", "SETUSER", USER_NAME, "-spublish");
    const log = valkey.open({ logger });
    const reader = await follow(log);
    for (const record of ["1", "2", "3"]) await log.append({ channel, record });
    await reader.length(3);
    assert.deepEqual([reader.records, reader.starts], [["1", "2", "3"], 1]);
    assert.deepEqual(messages(), [
      "Valkey does not let scripts publish, and the task publishes itself",
      "Valkey does not permit publish and subscribe, and is polled",
    ]);
  });
});

function times<Item>(count: number, item: Item): readonly Item[] {
  return Array.from({ length: count }, () => item);
}
