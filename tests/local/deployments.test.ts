/** The desired count and rolling deployments, with real tasks. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempDisposableSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { readService } from "../../local/model/service.ts";
import type { Tasks } from "../../local/runtime/tasks/tasks.ts";
import { waitUntil } from "../support/waitUntil.ts";
import { ask, connect } from "./support/clients.ts";
import { type Changes, WITH_SECRET, wholePath } from "./support/graph.ts";
import { FIXTURE_OPTIONS, running, type StackFixture } from "./support/stack.ts";

function tasksOf({ stack }: StackFixture): Tasks {
  assert.ok(stack.tasks);
  return stack.tasks;
}

const containerOf = (changes: Changes) => readService(wholePath(changes)).container;

async function greeting({ urls }: StackFixture): Promise<unknown> {
  const { body } = await ask(urls.loadBalancer, { headers: WITH_SECRET });
  return (JSON.parse(body) as { greeting: unknown }).greeting;
}

describe("the desired count", () => {
  it("grows to the declared maximum and shrinks, while the removed tasks keep their connections for the delay", async () => {
    await using fixture = await running(wholePath());
    const tasks = tasksOf(fixture);
    tasks.setDesiredCount(5);
    assert.equal(tasks.desiredCount, 3);
    await waitUntil(() => tasks.status().filter(({ health }) => health === "healthy").length === 3);
    const clients = [
      await connect(fixture.urls.websocket),
      await connect(fixture.urls.websocket),
      await connect(fixture.urls.websocket),
    ];
    assert.equal(new Set(clients.map(({ pid }) => pid)).size, 3);
    const remaining = tasks.status().at(-1)?.pid;
    const closed = clients
      .filter(({ pid }) => pid !== remaining)
      .map(async ({ socket }) => (await once(socket, "close"))[0] as number);

    tasks.setDesiredCount(1);
    await waitUntil(() => tasks.status().filter(({ health }) => health === "stopping").length === 2);
    assert.ok(clients.every(({ socket }) => socket.readyState === socket.OPEN));
    using next = await connect(fixture.urls.websocket);
    assert.equal(next.pid, remaining);
    assert.deepEqual(await Promise.all(closed), [1001, 1001]);
    await waitUntil(() => tasks.status().length === 1);
    const expected = fixture.events.flatMap((event) =>
      event.event === "task-stopped" ? [event.expected] : [],
    );
    assert.deepEqual(expected, [true, true]);
    for (const { socket } of clients) socket.terminate();
  });
});

describe("a deployment", () => {
  it("serves the new revision, and no request fails meanwhile", async () => {
    await using fixture = await running(wholePath(), { tasks: 2 });
    const tasks = tasksOf(fixture);
    const revision = tasks.deploy({ container: containerOf({ environment: { GREETING: "new" } }) });
    assert.equal(revision, 2);
    const isComplete = (): boolean => tasks.deployments().at(-1)?.state === "completed";
    while (!isComplete()) assert.ok(["declared", "new"].includes(String(await greeting(fixture))));
    assert.equal(await greeting(fixture), "new");
    assert.deepEqual(tasks.deployments(), [
      { revision: 1, state: "completed", desired: 0, running: 0, healthy: 0 },
      { revision: 2, state: "completed", desired: 2, running: 2, healthy: 2 },
    ]);
  });

  it("whose tasks fail returns to the last completed revision; the next one has all that is declared", async () => {
    // A task that does not listen is unhealthy after its start period.
    const check = {
      command: ["CMD", "node", "server.mjs", "health"],
      interval: 0.1,
      retries: 1,
      startPeriod: 1,
    };
    const changes = { service: { healthCheckGracePeriodSeconds: 0.1 }, container: { healthCheck: check } };
    await using fixture = await running(wholePath(changes));
    const tasks = tasksOf(fixture);
    const mute = wholePath({ ...changes, environment: { GREETING: "new", MODE: "mute" } });
    fixture.stack.update({ files: [], graph: mute });
    const hasFailed = (): boolean => tasks.deployments().some(({ state }) => state === "failed");
    while (!hasFailed()) assert.equal(await greeting(fixture), "declared");
    const { revision, returnsTo, reason } = await fixture.next("deployment-failed");
    assert.deepEqual([revision, returnsTo], [2, 1]);
    assert.match(reason, /^3 consecutive tasks .*; the last one is task-\d: the server does not listen$/);
    await waitUntil(() => tasks.deployments().at(-1)?.state === "completed");
    await waitUntil(() => tasks.status().length === 1);
    assert.deepEqual(
      tasks.status().map((task) => [task.id, task.revision, task.health]),
      [["task-1", 1, "healthy"]],
    );

    using folder = mkdtempDisposableSync(path.join(tmpdir(), "server-"));
    const entry = path.join(folder.path, "fixed.mjs");
    const server = JSON.stringify(pathToFileURL(FIXTURE_OPTIONS.entry).href);
    writeFileSync(entry, `delete process.env.MODE; await import(${server});`);
    fixture.stack.update({ files: [], entry });
    await fixture.next("deployment-completed", (event) => event.revision === 3);
    assert.equal(await greeting(fixture), "new");
  });
});

describe("a deployment for which the percentages leave no room", () => {
  it("waits with a warning, and the tasks continue", async () => {
    await using fixture = await running(wholePath({ service: { deploymentMaximumPercent: 100 } }));
    tasksOf(fixture).deploy();
    const { message } = await fixture.next("warning", (event) => event.message.includes("waits"));
    assert.match(
      message,
      /^service: the deployment waits\. At a desired count of 1, a minimum of 100 % healthy/,
    );
    assert.equal(await greeting(fixture), "declared");
  });
});

describe("a fault of a task", () => {
  it("makes its health checks fail, so that the service replaces it", async () => {
    await using fixture = await running(wholePath());
    const tasks = tasksOf(fixture);
    tasks.task("task-1")?.setFailing(true);
    const { id, reason } = await fixture.next("task-replaced");
    assert.deepEqual([id, reason], ["task-1", "the health check fails on purpose"]);
    await fixture.next("task-healthy", (event) => event.id === "task-2");
  });

  it("is a signal to its process", async () => {
    await using fixture = await running(wholePath());
    tasksOf(fixture).task("task-1")?.signal("SIGKILL");
    const { signal } = await fixture.next("task-stopped");
    assert.equal(signal, "SIGKILL");
  });
});
