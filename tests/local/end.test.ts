/** How a stack stops, and how it fails to start. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import { waitUntil } from "../support/waitUntil.ts";
import { ask, connect, hasIpv6 } from "./support/clients.ts";
import { wholePath } from "./support/graph.ts";
import { ROOT } from "./support/paths.ts";
import { alive } from "./support/processes.ts";
import { launch, running } from "./support/stack.ts";

/** Records the sockets that the stack and its clients create in this process from now on. */
function recordSockets(): Disposable & { readonly toServers: Socket[]; readonly fromClients: Socket[] } {
  const toServers: Socket[] = [];
  const fromClients: Socket[] = [];
  // Node publishes one socket with each message.
  const onClient = (message: unknown): void => void toServers.push((message as { socket: Socket }).socket);
  const onServer = (message: unknown): void => void fromClients.push((message as { socket: Socket }).socket);
  subscribe("net.client.socket", onClient);
  subscribe("net.server.socket", onServer);
  return {
    toServers,
    fromClients,
    [Symbol.dispose]() {
      unsubscribe("net.client.socket", onClient);
      unsubscribe("net.server.socket", onServer);
    },
  };
}

describe("the end of the local stack", () => {
  it("closes all clients with 1001, and leaves no process and no open port", async () => {
    const fixture = await running(wholePath(), { tasks: 2 });
    const clients = await Promise.all([1, 2, 3, 4].map(() => connect(fixture.urls.websocket)));
    const codes = Promise.all(
      clients.map(async ({ socket }) => {
        const [code] = (await once(socket, "close")) as [number];
        return code;
      }),
    );
    await Promise.all([fixture.stack.close(), fixture.stack.close()]);
    assert.deepEqual(await codes, [1001, 1001, 1001, 1001]);
    const pids = fixture.events.flatMap((event) => (event.event === "task-started" ? [event.pid] : []));
    assert.equal(pids.length, 2);
    assert.ok(!pids.some(alive));
    const { tasks, stopTimeoutSeconds } = await fixture.next("stopping");
    assert.deepEqual([tasks, stopTimeoutSeconds], [2, 2]);
    assert.deepEqual(
      fixture.events.slice(-4).map(({ event }) => event),
      ["stopping", "task-stopped", "task-stopped", "stopped"],
    );
    await assert.rejects(ask(fixture.urls.page), { code: "ECONNREFUSED" });
    await assert.rejects(ask(fixture.urls.loadBalancer), { code: "ECONNREFUSED" });
  });

  it("closes the sockets of connections that have ended in order", async () => {
    await using fixture = await running(wholePath({ healthCheck: { interval: 60 } }));
    using made = recordSockets();
    for (const page of [fixture.urls.page, fixture.urls.page]) {
      const client = await connect(fixture.urls.websocket);
      client.socket.close();
      await once(client.socket, "close");
      await ask(page);
    }
    // Two sockets each for two connections and two requests: from the client to the edge, and from the load balancer to the task.
    assert.equal(made.toServers.length, 8);
    await waitUntil(() => [...made.toServers, ...made.fromClients].every(({ closed }) => closed));
    const ended = made.toServers.filter(({ readableEnded }) => readableEnded);
    assert.ok(ended.length >= 4, "sockets must end in order, and not by a timeout");
  });

  it("kills a task that ignores SIGTERM after the declared stop timeout", async () => {
    const fixture = await running(
      wholePath({ environment: { MODE: "stubborn" }, container: { stopTimeout: 0.3 } }),
    );
    const started = performance.now();
    await fixture.stack.close();
    const { signal } = await fixture.next("task-stopped");
    assert.equal(signal, "SIGKILL");
    assert.ok(performance.now() - started >= 290);
  });

  it("is immediate if a port is taken, with an error that names the port and the option", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const address = taken.address();
    assert.ok(typeof address === "object" && address !== null);
    const { port } = address;
    const errorFor = (name: string, option: string): string =>
      `Port ${port} for the ${name} is taken. Fix: pass \`${option} PORT\` with another port`;
    const ofEdge = errorFor("edge", "--edge-port");
    const ofLoadBalancer = errorFor("load balancer", "--load-balancer-port");
    await assert.rejects(launch(wholePath(), { edgePort: port }), { message: ofEdge });
    await assert.rejects(launch(wholePath(), { loadBalancerPort: port }), { message: ofLoadBalancer });
    await assert.rejects(launch(wholePath(), { edgePort: port, loadBalancerPort: port }), {
      message: `${ofEdge}\n${ofLoadBalancer}`,
    });
    const dashboardPort = { name: "dashboard", port, option: "--dashboard-port" };
    await assert.rejects(launch(wholePath(), { edgePort: port, otherPorts: [dashboardPort] }), {
      message: `${ofEdge}\n${errorFor("dashboard", "--dashboard-port")}`,
    });
    taken.close();
  });

  it("is immediate if a port is taken at one address of localhost only", async function () {
    if (!hasIpv6()) this.skip();
    const taken = createServer().listen(0, "::1");
    await once(taken, "listening");
    const address = taken.address();
    assert.ok(typeof address === "object" && address !== null);
    await assert.rejects(
      launch(wholePath(), { edgePort: address.port }),
      /is taken. Fix: pass `--edge-port PORT`/,
    );
    taken.close();
  });

  for (const [name, args] of [
    ["a task", []],
    ["a frozen task", ["freeze-task"]],
  ] as const) {
    it(`stops ${name} even if the stack is killed`, async () => {
      const script = path.join(ROOT, "tests", "local", "support", "parent.ts");
      const parent = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "inherit"] });
      const [line] = (await once(createInterface({ input: parent.stdout }), "line")) as [string];
      const pid = Number(line);
      assert.ok(alive(pid));
      // The pipe that the task writes to ends with the task.
      const ended = once(parent.stdout, "end");
      parent.kill("SIGKILL");
      await once(parent, "exit");
      await ended;
      await waitUntil(() => !alive(pid));
    });
  }
});
