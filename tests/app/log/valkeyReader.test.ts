/** The reader of the Valkey driver with a server that always answers at once, as no real one does. */
import assert from "node:assert/strict";

import type { LogEntry } from "../../../app/src/log/log.ts";
import { ValkeyChannels } from "../../../app/src/log/valkey/valkeyChannels.ts";
import type {
  ValkeyCommand,
  CommandOutcome,
  ValkeyConnection,
} from "../../../app/src/log/valkey/valkeyConnection.ts";
import { ValkeyChannelReader } from "../../../app/src/log/valkey/channelReader.ts";
import { RecurringProblem } from "../../../app/src/metrics/recurringProblem.ts";
import { LogRecorder } from "./logRecorder.ts";
import { silent } from "../support/teardown.ts";

const EPOCH = "7";
const ENTRIES = 300;
const PAYLOAD = "x".repeat(1024);
/** Entries per read. */
const READ_COUNT = 10;

/** A server with one channel. A blocking read after the last entry ends with the connection. */
function serverOf(entries: number): ValkeyConnection {
  const closing = Promise.withResolvers<CommandOutcome>();
  let closed = false;
  const answer = async (command: ValkeyCommand): Promise<CommandOutcome> => {
    if (command[0] !== "xread") return { kind: "answered", reply: [EPOCH, 1, entries + 1] };
    const names = command.slice(command.indexOf("STREAMS") + 1);
    const last = Number(String(names.at(-1)).slice(EPOCH.length + 1));
    const count = Math.min(READ_COUNT, entries - last);
    const found = Array.from({ length: count }, (_, n) => [`${EPOCH}-${last + n + 1}`, ["name", PAYLOAD]]);
    if (count > 0) return { kind: "answered", reply: [[names[names.length / 2 - 1], found]] };
    return command.includes("BLOCK") ? await closing.promise : { kind: "answered", reply: null };
  };
  return {
    isReady: true,
    get isClosed() {
      return closed;
    },
    onReady: () => undefined,
    waitUntilReady: () => Promise.resolve(),
    send: (commands) => Promise.all(commands.map(answer)),
    drop: () => undefined,
    close() {
      closed = true;
      closing.resolve({ kind: "unknown", error: new Error("closed") });
    },
  };
}

describe("the reader of the Valkey driver", () => {
  it("delivers at most a quarter of the retained bytes per turn", async () => {
    const retention = { retainedMessages: 1000, retainedBytes: 64 * 1024, retainedSeconds: 300 };
    const connection = serverOf(ENTRIES);
    const channels = new ValkeyChannels({ task: "task", budgetBytes: 0, ...retention, logger: silent });
    const problem = new RecurringProblem({ logger: silent, begun: "", ended: "" });
    const reader = new ValkeyChannelReader({
      connection,
      commands: connection,
      channels,
      wakeKey: "wake",
      retention,
      blockMs: 1000,
      problems: { read: problem, wait: problem },
    });
    let bytes = 0;
    let mostBytes = 0;
    class TurnRecorder extends LogRecorder {
      override entries(entries: readonly LogEntry[]): void {
        if (bytes === 0) setImmediate(() => (bytes = 0));
        bytes += entries.length * PAYLOAD.length;
        mostBytes = Math.max(mostBytes, bytes);
        super.entries(entries);
      }
    }
    const recorder = new TurnRecorder();
    reader.subscribe(channels.get("c"), recorder);
    await recorder.length(ENTRIES);
    await reader.close();
    assert.deepEqual([recorder.payloads.length, recorder.starts], [ENTRIES, 1]);
    assert.ok(mostBytes <= retention.retainedBytes / 4, `${mostBytes} bytes in one turn`);
  });
});
