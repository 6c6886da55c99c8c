/** Rolling deployments and a changing number of tasks, with the real server and clients of `channels.v1` that publish all the time. */
import assert from "node:assert/strict";
import path from "node:path";
import { findValkeyServer } from "../../cli/valkeyServer.ts";
import { evaluateStack } from "../../infra/evaluation/evaluate.ts";
import type { Tasks } from "../../local/runtime/tasks/tasks.ts";
import { tearDown } from "../app/support/teardown.ts";
import { print } from "../faults/support/assertions.ts";
import { verify } from "../faults/support/verify.ts";
import { startLightGroup } from "../faults/support/startGroup.ts";
import { ROOT } from "../local/support/paths.ts";
import { running, type StackFixture } from "../local/support/stack.ts";
import { waitUntil } from "../support/waitUntil.ts";

const CHANNELS = ["/", "room.1", "room.2", "room.3", "room.4"];
const CLIENTS = { clients: 20, publishers: 4, channels: CHANNELS, maxSubscriptions: 3, timeoutMs: 30_000 };
const LOAD = { messagesPerSecond: 20, othersPerSecond: 40, renewalsPerSecond: 5, paddingBytes: 20 };
const DEPLOYMENTS = 3;
/** For the drain of a task on a busy machine. */
const WAIT = { forMs: 30_000, everyMs: 50 };

describe("a service with connected clients", function () {
  this.timeout(120_000);

  afterEach(tearDown);

  it("loses and repeats no message during deployments, a scale-out and a scale-in", async () => {
    await using fixture = await start();
    const { tasks } = fixture.stack;
    assert.ok(tasks);
    const group = await startLightGroup({ ...CLIENTS, name: "clients", url: fixture.urls.websocket });
    await group.publish(LOAD);
    for (let n = 0; n < DEPLOYMENTS; n++) {
      const revision = tasks.deploy();
      await settled(tasks, (status) => status.revision === revision);
    }
    tasks.setDesiredCount(3);
    await settled(tasks);
    tasks.setDesiredCount(1);
    await settled(tasks);

    const figures = await verify([group]);
    print(figures);
    const { contradictions, lost, reportedMissing, duplicates, reconnects } = figures;
    assert.deepEqual(
      { contradictions, lost, reportedMissing, duplicates },
      { contradictions: [], lost: 0, reportedMissing: 0, duplicates: 0 },
    );
    assert.ok(
      reconnects >= CLIENTS.clients * DEPLOYMENTS,
      `${reconnects} reconnects: a deployment closes all connections`,
    );
    // SIGTERM ended them, and none waited for SIGKILL.
    const ends = fixture.events.flatMap((event) => (event.event === "task-stopped" ? [event.code] : []));
    assert.deepEqual(new Set(ends), new Set([0]));
  });
});

async function start(): Promise<StackFixture> {
  const config = { "websocket:deregistrationDelaySeconds": "1" };
  return running(await evaluateStack({ stack: "dev", config }), {
    entry: path.join(ROOT, "app", "src", "main.ts"),
    valkeyServer: await findValkeyServer(process.env["PATH"]),
  });
}

/** Waits until the desired tasks are healthy, and all others have ended. */
async function settled(
  tasks: Tasks,
  passes: (status: ReturnType<Tasks["status"]>[number]) => boolean = () => true,
): Promise<void> {
  await waitUntil(() => {
    const status = tasks.status();
    return (
      status.length === tasks.desiredCount &&
      status.every((task) => task.health === "healthy" && passes(task))
    );
  }, WAIT);
}
