/** `npm start --speed` with clients of `channels.v1`: the autoscaler adds and removes tasks, and no client loses a message. */
import assert from "node:assert/strict";
import { tearDown } from "../app/support/teardown.ts";
import { print } from "../faults/support/assertions.ts";
import { verify } from "../faults/support/verify.ts";
import { startLightGroup } from "../faults/support/startGroup.ts";
import { atSuiteEnd } from "../support/atSuiteEnd.ts";
import { startStack, type StackEvent, type StackProcess } from "../support/localStack.ts";
import { waitUntil } from "../support/waitUntil.ts";

/** Minutes of the autoscaler in a real minute. */
const SPEED = "60";
const TIMEOUT_MS = 30_000;
/** For a decision after 15 minutes of the autoscaler, and for the drain of a task. */
const SLOW_MS = 60_000;

/** dev adds tasks above 5 connections per task, so these need three tasks. */
const MANY = 12;
/** These need one task. */
const FEW = 4;
const CHANNELS = { channels: ["/", "room.1", "room.2"], maxSubscriptions: 3 };
const LOAD = { messagesPerSecond: 10, othersPerSecond: 10, paddingBytes: 20 };

describe("npm start with --speed", function () {
  this.timeout(180_000);
  let stack: StackProcess;

  before(async function () {
    stack = await startStack("--speed", SPEED);
    atSuiteEnd(this, () => stack.close());
  });

  afterEach(tearDown);

  it("adds tasks for many connections, removes them for few, and loses and repeats no message", async () => {
    const group = { url: stack.urls.websocket, timeoutMs: TIMEOUT_MS, ...CHANNELS };
    const many = await startLightGroup({ ...group, name: "many", clients: MANY, publishers: 0 });
    const added = await stack.event(({ event }) => event === "scaled", TIMEOUT_MS);
    assert.match(added.reason ?? "", /^connections per task [\d.]+ > 5 for 3 min: 1 → \d tasks$/);
    const count = added.to ?? 0;
    assert.ok(count > 1, `${count} tasks`);
    await nth(stack, count, ({ event }) => event === "task-healthy");

    // The added tasks have the fewest connections, so they get these.
    const few = await startLightGroup({ ...group, name: "few", clients: FEW, publishers: 2 });
    await few.publish(LOAD);
    many.kill("SIGKILL");

    const removed = await stack.event(({ event, to }) => event === "scaled" && to === 1, SLOW_MS);
    assert.match(removed.reason ?? "", /^.+ < .+ for 15 min: \d → 1 task$/);
    await nth(stack, count - 1, ({ event, code, expected }) => {
      return event === "task-stopped" && expected === true && code === 0;
    });
    // Those of the tasks that stopped continue on the last one, while messages are published.
    await waitUntil(async () => (await few.report()).counts.reconnects > 0, { forMs: SLOW_MS, everyMs: 100 });
    const figures = await verify([few]);
    print(figures);
    const { contradictions, lost, reportedMissing, duplicates } = figures;
    assert.deepEqual(
      { contradictions, lost, reportedMissing, duplicates },
      { contradictions: [], lost: 0, reportedMissing: 0, duplicates: 0 },
    );
  });
});

/** Waits for the nth event that matches. */
async function nth(
  stack: StackProcess,
  count: number,
  matches: (event: StackEvent) => boolean,
): Promise<void> {
  await stack.event(() => stack.events.filter(matches).length >= count, SLOW_MS);
}
