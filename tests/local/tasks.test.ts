/** Start, health, replacement and failure of emulated tasks. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { waitUntil } from "../support/waitUntil.ts";
import { ask, connect } from "./support/clients.ts";
import { SECRET, SECRET_HEADER, WITH_SECRET, wholePath } from "./support/graph.ts";
import { launch, running } from "./support/stack.ts";

describe("emulated tasks", () => {
  it("get WebSockets by the number of open connections", async () => {
    await using fixture = await running(wholePath(), { tasks: 3 });
    const { websocket } = fixture.urls;
    const clients = [await connect(websocket), await connect(websocket), await connect(websocket)];
    assert.equal(new Set(clients.map(({ pid }) => pid)).size, 3);
    const [first] = clients;
    assert.ok(first);
    first.socket.close();
    await once(first.socket, "close");
    await waitUntil(() => fixture.stack.status().some(({ open }) => open === 0));
    using next = await connect(websocket);
    assert.equal(next.pid, first.pid);
    for (const { socket } of clients) socket.terminate();
  });

  it("that are killed are replaced under a new name", async () => {
    await using fixture = await running(wholePath());
    const { pid } = await fixture.next("task-healthy", ({ id }) => id === "task-1");
    using client = await connect(fixture.urls.websocket);
    process.kill(pid, "SIGKILL");
    const [code] = (await once(client.socket, "close")) as [number];
    assert.equal(code, 1006);
    const stopped = await fixture.next("task-stopped");
    assert.deepEqual([stopped.id, stopped.signal, stopped.expected], ["task-1", "SIGKILL", false]);
    await fixture.next("task-healthy", ({ id }) => id === "task-2");
    using again = await connect(fixture.urls.websocket);
    assert.notEqual(again.pid, pid);
  });

  it("that become unhealthy are replaced, after the new task has started", async () => {
    await using fixture = await running(wholePath());
    await ask(`${fixture.urls.loadBalancer}/sicken`, { headers: WITH_SECRET });
    const unhealthy = await fixture.next("task-unhealthy");
    assert.equal(unhealthy.reason, "GET /alive returned 500; expected 200");
    const replaced = await fixture.next("task-replaced");
    assert.deepEqual([replaced.id, replaced.reason], ["task-1", unhealthy.reason]);
    const stopped = await fixture.next("task-stopped");
    assert.deepEqual([stopped.id, stopped.expected, stopped.code], ["task-1", true, 0]);
    const order = fixture.events.map(({ event }) => event);
    assert.ok(order.lastIndexOf("task-started") < order.indexOf("task-stopped"));
    await fixture.next("task-healthy", ({ id }) => id === "task-2");
  });

  it("are replaced before the new task starts if the declared percentage requires that", async () => {
    await using fixture = await running(wholePath({ service: { deploymentMaximumPercent: 100 } }));
    await ask(`${fixture.urls.loadBalancer}/sicken`, { headers: WITH_SECRET });
    await fixture.next("task-healthy", ({ id }) => id === "task-2");
    const order = fixture.events.map(({ event }) => event);
    assert.ok(order.lastIndexOf("task-started") > order.indexOf("task-stopped"));
  });

  it("print their output, without the lines that contain metrics", async () => {
    await using fixture = await running(wholePath());
    await fixture.next("task-output", ({ line }) => line === "read on");
    const output = fixture.events.flatMap((event) => (event.event === "task-output" ? [event.line] : []));
    assert.deepEqual(output, ["read on"]);
  });

  it("that fail trigger the circuit breaker, and their output is reported", async () => {
    await using fixture = await launch(
      wholePath({ environment: { MODE: "crash" }, service: { desiredCount: 1 } }),
      { tasks: 3 },
    );
    await assert.rejects(fixture.stack.ready, /service: 3 consecutive tasks .* circuit breaker/);
    const { code, output } = await fixture.next("task-stopped");
    assert.equal(code, 3);
    assert.deepEqual(output, ["cannot start"]);
  });

  it("are unhealthy if the health check of the container takes longer than its timeout", async () => {
    const healthCheck = {
      command: ["CMD", "node", "server.mjs", "hang"],
      interval: 1,
      timeout: 0.5,
      retries: 1,
    };
    await using fixture = await launch(wholePath({ container: { healthCheck } }));
    const { reason } = await fixture.next("task-unhealthy");
    assert.equal(reason, 'the health check "hang" timed out after 0.5 s');
  });

  it("are not ready while the health check of the container fails, whose exit code is reported", async () => {
    const command = ["CMD", "node", "server.mjs", "nonsense"];
    const healthCheck = { command, interval: 1, timeout: 15, retries: 1 };
    await using fixture = await launch(wholePath({ container: { healthCheck } }));
    // Without "health", the fixture starts as a second server on a port that is taken.
    const { reason } = await fixture.next("task-unhealthy");
    assert.equal(reason, 'the health check "nonsense" exited with 1');
    assert.ok(!fixture.events.some(({ event }) => event === "task-healthy"));
  });
});

describe("emulated tasks that never listen", () => {
  const mute = { environment: { MODE: "mute" }, service: { healthCheckGracePeriodSeconds: 0.2 } };
  const command = ["CMD", "node", "server.mjs", "health"];

  for (const [check, changes] of [
    ["the container's check", { container: { healthCheck: { command, interval: 0.1, retries: 2 } } }],
    ["the target group's check", { container: { healthCheck: undefined } }],
  ] as const) {
    it(`are unhealthy by ${check}, until the circuit breaker is triggered`, async () => {
      await using fixture = await launch(wholePath({ ...mute, ...changes }));
      await assert.rejects(fixture.stack.ready, /service: 3 consecutive tasks .* circuit breaker/);
      const unhealthy = await fixture.next("task-unhealthy");
      assert.deepEqual([unhealthy.id, unhealthy.reason], ["task-1", "the server does not listen"]);
      const stopped = await fixture.next("task-stopped", ({ id }) => id === "task-1");
      assert.equal(stopped.expected, true);
    });
  }
});

describe("a deregistration delay longer than the test", () => {
  const LONG_DELAY = { targetGroup: { deregistrationDelay: 300 } };

  it("ends with the task, even if a client has not read its response", async () => {
    await using fixture = await running(wholePath(LONG_DELAY));
    const { pid } = await fixture.next("task-healthy");
    const { hostname, port } = new URL(fixture.urls.loadBalancer.replace("localhost", "127.0.0.1"));
    const reader = connectTcp(Number(port), hostname).pause();
    reader.on("error", () => undefined);
    reader.write(`GET /flood HTTP/1.1\r\nHost: x\r\n${SECRET_HEADER}: ${SECRET}\r\n\r\n`);
    await fixture.next("task-output", ({ line }) => line === "stalled");
    process.kill(pid, "SIGKILL");
    await fixture.next("task-stopped");
    await fixture.next("task-healthy", ({ id }) => id === "task-2");
    reader.destroy();
  });

  it("ends when the stack stops", async () => {
    const fixture = await running(wholePath(LONG_DELAY));
    using client = await connect(fixture.urls.websocket);
    const closed = once(client.socket, "close");
    await ask(`${fixture.urls.loadBalancer}/sicken`, { headers: WITH_SECRET });
    await fixture.next("task-started", ({ id }) => id === "task-2");
    await fixture.stack.close();
    assert.deepEqual((await closed)[0], 1001);
  });
});
