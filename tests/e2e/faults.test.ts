/** Faults on a running stack, as the keyboard and the dashboard apply them. */
import assert from "node:assert/strict";
import { once } from "node:events";
import path from "node:path";
import { connect as openConnection } from "../../client/src/index.ts";
import { ask, connect, type GreetedClient } from "../local/support/clients.ts";
import { SECRET_HEADER, WITH_SECRET, wholePath } from "../local/support/graph.ts";
import { loadBalancerEdge } from "../local/support/edges.ts";
import type { ActiveFault } from "../../local/events.ts";
import { createKeyboard } from "../../local/control/keyboard.ts";
import { FAULTS } from "../../local/control/faults.ts";
import { type StackFixture, running } from "../local/support/stack.ts";
import { ROOT } from "../local/support/paths.ts";
import { TrustingWebSocket } from "../support/localStack.ts";
import { declaredGraph } from "../support/stacks.ts";
import { requireValkey } from "../support/valkey.ts";
import { waitUntil } from "../support/waitUntil.ts";

async function roundTripMs({ socket }: GreetedClient): Promise<number> {
  const sentMs = performance.now();
  socket.send("ping");
  await once(socket, "message");
  return performance.now() - sentMs;
}

async function secretOf({ urls }: StackFixture): Promise<string> {
  const { body } = await ask(new URL("/x", urls.page).href);
  const { headers } = JSON.parse(body) as { headers: Record<string, string> };
  return headers[SECRET_HEADER.toLowerCase()] ?? "";
}

describe("faults", () => {
  it("have different keys and ids", () => {
    for (const values of [FAULTS.map(({ id }) => id), FAULTS.map(({ key }) => key)]) {
      assert.equal(new Set(values).size, FAULTS.length);
    }
  });

  it("kill a task, which is replaced", async () => {
    await using fixture = await running(wholePath());
    fixture.stack.faults.apply("kill-task", "task-1");
    const { signal } = await fixture.next("task-stopped");
    assert.equal(signal, "SIGKILL");
    await fixture.next("task-healthy", ({ id }) => id === "task-2");
    assert.deepEqual(fixture.stack.faults.active(), []);
  });

  it("fail the health checks of a task, which is replaced and ends the fault", async () => {
    await using fixture = await running(wholePath());
    fixture.stack.faults.apply("fail-health-checks", "task-1");
    assert.deepEqual(fixture.stack.faults.active(), [{ fault: "fail-health-checks", task: "task-1" }]);
    const { id, reason } = await fixture.next("task-replaced");
    assert.deepEqual([id, reason], ["task-1", "the health check fails on purpose"]);
    assert.equal((await fixture.next("fault-ended")).task, "task-1");
    assert.deepEqual(fixture.stack.faults.active(), []);
  });

  it("freeze a task until the fault ends", async () => {
    await using fixture = await running(wholePath({ healthCheck: { interval: 60, timeout: 50 } }));
    using client = await connect(fixture.urls.websocket);
    const { faults } = fixture.stack;
    faults.apply("freeze-task", "task-1");
    let hasAnswered = false;
    client.socket.once("message", () => (hasAnswered = true));
    client.socket.send("ping");
    // The load balancer still answers.
    assert.equal((await ask(`${fixture.urls.loadBalancer}/`)).status, 403);
    assert.equal(hasAnswered, false);
    faults.end("freeze-task", "task-1");
    await waitUntil(() => hasAnswered);
  });

  it("that freeze a task are undone before the stack stops", async () => {
    const fixture = await running(wholePath({ container: { stopTimeout: 60 } }));
    fixture.stack.faults.apply("freeze-task", "task-1");
    await fixture.stack.close();
    const { code, expected } = await fixture.next("task-stopped");
    assert.deepEqual([code, expected], [0, true]);
  });

  for (const [edge, graph] of [
    ["a distribution", wholePath()],
    ["a load balancer", loadBalancerEdge()],
  ] as const) {
    it(`delay the bytes of new and open connections at ${edge}, and keep their order`, async () => {
      await using fixture = await running(graph);
      const { faults } = fixture.stack;
      using open = await connect(fixture.urls.websocket);
      faults.apply("add-latency");
      using late = await connect(fixture.urls.websocket);
      for (const client of [open, late]) {
        const ms = await roundTripMs(client);
        assert.ok(ms >= 400, `a round trip took ${ms} ms; expected 400 ms or more`);
      }
      const received: string[] = [];
      open.socket.on("message", (data: Buffer) => received.push(data.toString()));
      for (let n = 0; n < 20; n++) open.socket.send(String(n));
      faults.end("add-latency");
      for (let n = 20; n < 40; n++) open.socket.send(String(n));
      await waitUntil(() => received.length === 40);
      assert.deepEqual(
        received,
        Array.from({ length: 40 }, (_, n) => String(n)),
      );
    });
  }

  it("drop a third of the connections, at least one, without a Close frame", async () => {
    await using fixture = await running(wholePath());
    const clients = await Promise.all(Array.from({ length: 4 }, () => connect(fixture.urls.websocket)));
    const codes: number[] = [];
    for (const { socket } of clients) socket.once("close", (code) => codes.push(code));
    const { faults } = fixture.stack;
    faults.apply("drop-connections");
    await waitUntil(() => codes.length === 2);
    faults.end("drop-connections");
    using next = await connect(fixture.urls.websocket);
    assert.ok((await roundTripMs(next)) > 0);
    assert.deepEqual(codes, [1006, 1006]);
    for (const { socket } of clients) socket.terminate();
  });

  for (const emulator of ["valkey-server", "the stand-in"]) {
    it(`stop the backplane of ${emulator}, which starts again without its data`, async function () {
      await using fixture = await running(await declaredGraph("dev"), {
        valkeyServer: emulator === "the stand-in" ? undefined : await requireValkey(this),
        entry: path.join(ROOT, "app", "src", "main.ts"),
      });
      const connection = openConnection(fixture.stack.urls.websocket, { WebSocket: TrustingWebSocket });
      try {
        const before = await connection.publish("/", "before");
        fixture.stack.faults.apply("stop-backplane");
        let isStored = false;
        const after = connection.publish("/", "after").then((place) => {
          isStored = true;
          return place;
        });
        // The edge and the task still answer.
        assert.equal((await ask(fixture.urls.page)).status, 200);
        assert.equal(isStored, false);
        fixture.stack.faults.end("stop-backplane");
        assert.notEqual((await after).epoch, before.epoch);
      } finally {
        await connection.close();
      }
    });
  }

  it("rotate the origin secret; the load balancer accepts the previous value, and then no longer", async () => {
    await using fixture = await running(wholePath());
    const { faults } = fixture.stack;
    const before = await secretOf(fixture);
    for (const accepted of [200, 403]) {
      faults.apply("rotate-secret");
      assert.throws(() => {
        faults.apply("rotate-secret");
      }, /is active already/);
      await waitUntil(() => faults.active().length === 0);
      const { status } = await ask(`${fixture.urls.loadBalancer}/x`, { headers: WITH_SECRET });
      assert.equal(status, accepted);
    }
    const after = await secretOf(fixture);
    assert.notEqual(after, before);
    assert.ok(!JSON.stringify(fixture.events).includes(after), "no event contains the secret");
  });

  it("deploy a version that ends at once, which the circuit breaker rolls back", async () => {
    await using fixture = await running(wholePath());
    const { faults } = fixture.stack;
    faults.apply("deploy-broken-version");
    const failed = await fixture.next("deployment-failed");
    assert.deepEqual([failed.revision, failed.returnsTo], [2, 1]);
    await fixture.next("fault-ended", ({ fault }) => fault === "deploy-broken-version");
    assert.equal((await ask(new URL("/x", fixture.urls.page).href)).status, 200);
    // A later deployment is one of the version before.
    fixture.stack.tasks?.deploy();
    await fixture.next("deployment-completed", ({ revision }) => revision === 3);
  });

  it("are applied and ended by keys, to the task that a digit selects", async () => {
    await using fixture = await running(wholePath(), { tasks: 2 });
    const { faults } = fixture.stack;
    const printed: string[] = [];
    const onKey = createKeyboard({
      stack: fixture.stack,
      print: (lines) => {
        printed.push(...lines);
      },
    });
    onKey("?");
    for (const { key, description } of faults.faults)
      assert.ok(printed.includes(`  ${key}    ${description}`), key);
    assert.ok(!printed.join("\n").includes("ends the backplane"), "the stack has no backplane");

    const activeAfter = (key: string): readonly ActiveFault[] => {
      onKey(key);
      return faults.active();
    };
    assert.deepEqual(activeAfter("f"), [{ fault: "freeze-task", task: "task-1" }]);
    assert.deepEqual(activeAfter("9"), [{ fault: "freeze-task", task: "task-1" }]);
    onKey("2");
    assert.equal(printed.at(-1), "The keys now apply to task-2.");
    assert.equal(activeAfter("l").length, 2);
    assert.deepEqual(activeAfter("l"), [{ fault: "freeze-task", task: "task-1" }]);
    onKey("1");
    assert.deepEqual(activeAfter("f"), []);
    onKey("2");
    onKey("k");
    assert.equal((await fixture.next("task-stopped")).id, "task-2");
    assert.deepEqual(activeAfter("f"), [], "the key for a task that has ended does nothing");
    assert.deepEqual(activeAfter("f"), [{ fault: "freeze-task", task: "task-1" }]);
  });

  it("are refused with the reason", async () => {
    await using fixture = await running(loadBalancerEdge());
    const { faults } = fixture.stack;
    const cases: readonly (readonly [string, string | undefined, RegExp])[] = [
      ["kill-tasks", undefined, /^"kill-tasks" is not a fault of this stack; did you mean kill-task\?$/],
      ["rotate-secret", undefined, /^"rotate-secret" is not a fault of this stack; /],
      ["stop-backplane", undefined, /^"stop-backplane" is not a fault of this stack; /],
      ["kill-task", undefined, /^`task`: got ""; expected the id of a running task\.$/],
      ["kill-task", "task-9", /^`task`: got "task-9"; expected the id of a running task\.$/],
    ];
    for (const [id, task, message] of cases) {
      assert.throws(
        () => {
          faults.apply(id, task);
        },
        { message },
      );
    }
    assert.deepEqual(
      fixture.events.filter(({ event }) => event === "fault-applied"),
      [],
    );
  });
});
