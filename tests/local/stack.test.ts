import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { connect as connectTcp, createServer, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { atSuiteEnd } from "../support/atSuiteEnd.ts";
import { waitUntil } from "../support/waitUntil.ts";
import { SECRET, SECRET_HEADER, wholePath } from "./support/graph.ts";
import { ask, connect, refusedUpgrade } from "./support/clients.ts";
import { ROOT } from "./support/paths.ts";
import { alive } from "./support/processes.ts";
import { launch, running, type StackFixture } from "./support/stack.ts";

const WITH_SECRET = { [SECRET_HEADER]: SECRET };

/** The sockets that this process makes from now on, the stack's and its clients': those that other tests left do not count. */
function socketsMade(): Disposable & { readonly toServers: Socket[]; readonly fromClients: Socket[] } {
  const toServers: Socket[] = [];
  const fromClients: Socket[] = [];
  // What Node publishes there: a socket each.
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

function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).some((entries) =>
    entries?.some(({ address }) => address === "::1"),
  );
}

describe("local stack: requests", () => {
  let fixture: StackFixture;
  let balancer: string;
  let edge: string;
  let webSocketAtBalancer: string;

  before(async function () {
    fixture = await running(wholePath());
    atSuiteEnd(this, () => fixture.stack.close());
    const { urls } = fixture;
    balancer = urls.loadBalancer;
    edge = new URL("/", urls.page).href.slice(0, -1);
    webSocketAtBalancer = `${balancer.replace("http", "ws")}/chat`;
  });

  it("takes its paths from the stack's output and the default root object", () => {
    assert.match(fixture.urls.websocket, /^wss:\/\/localhost:\d+\/chat$/);
    assert.match(fixture.urls.page, /^https:\/\/localhost:\d+\/start\.html$/);
  });

  it("gives the load balancer's declared answer to who goes around the edge", async () => {
    for (const headers of [{}, { [SECRET_HEADER]: "wrong" }]) {
      const reply = await ask(balancer, { headers });
      assert.equal(reply.status, 403);
      assert.equal(reply.body, "go away");
      assert.equal(reply.headers["content-type"], "text/plain");
      assert.equal(await refusedUpgrade(webSocketAtBalancer, headers), 403);
    }
  });

  it("forwards with the header, as the load balancer marks it", async () => {
    const reply = await ask(`${balancer}/x?y=%20`, {
      headers: { ...WITH_SECRET, x_bad: "1", "X-Good": "2", Connection: "close, X-Mine", "X-Mine": "3" },
    });
    assert.equal(reply.status, 200);
    assert.equal(reply.headers["x-hop"], "kept");
    assert.notEqual(reply.headers["keep-alive"], "timeout=3");
    const seen = JSON.parse(reply.body) as { url: string; greeting: string; headers: Record<string, string> };
    assert.equal(seen.url, "/x?y=%20");
    assert.equal(seen.greeting, "declared");
    assert.equal(seen.headers["x-good"], "2");
    assert.equal(seen.headers["x-mine"], undefined);
    assert.equal(seen.headers["x_bad"], undefined);
    assert.equal(seen.headers["x-forwarded-for"], "127.0.0.1");
    assert.equal(seen.headers["x-forwarded-port"], "8000");
    assert.equal(seen.headers["x-forwarded-proto"], "http");
  });

  it("carries a request through the edge, which adds the secret and its own marks", async () => {
    const reply = await ask(`${edge}/?q=1`, { headers: { [SECRET_HEADER]: "forged", Host: "app.example" } });
    assert.equal(reply.status, 200);
    assert.equal(reply.headers["x-cache"], "Miss from cloudfront");
    const seen = JSON.parse(reply.body) as { url: string; headers: Record<string, string> };
    assert.equal(seen.url, "/start.html?q=1");
    assert.equal(seen.headers[SECRET_HEADER.toLowerCase()], SECRET);
    assert.equal(seen.headers["host"], "app.example");
    assert.equal(seen.headers["via"], "1.1 edge.example (CloudFront)");
    assert.equal(seen.headers["x-forwarded-for"], "127.0.0.1, 127.0.0.1");
  });

  it("streams large bodies both ways, with a length and in chunks", async () => {
    const body = "0123456789".repeat(200_000);
    for (const headers of [{ "Content-Length": String(body.length) }, { "Transfer-Encoding": "chunked" }]) {
      const reply = await ask(`${edge}/echo`, { method: "POST", headers }, body);
      assert.equal(reply.status, 200);
      assert.ok(reply.body === body);
    }
  });

  it("passes on a body as it was delimited, whatever the method and Connection say", async () => {
    const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    for (const [url, extra] of [
      [balancer, WITH_SECRET],
      [edge, {}],
    ] as const) {
      for (const framing of [
        { "Content-Length": String(smuggled.length), Connection: "content-length, host, close" },
        { "Transfer-Encoding": "chunked", Connection: "transfer-encoding, host, close" },
      ]) {
        const headers = { ...extra, ...framing };
        assert.equal((await ask(`${url}/echo`, { headers }, smuggled)).body, smuggled);
        const seen = JSON.parse((await ask(`${url}/x`, { headers }, smuggled)).body) as {
          headers: Record<string, string>;
        };
        assert.equal(seen.headers["host"], new URL(url).host.replace("localhost", "127.0.0.1"));
        assert.equal(seen.headers["content-length"], headers["Content-Length" as keyof typeof headers]);
      }
    }
  });

  it("listens on every address of localhost", async function () {
    if (!hasIpv6()) this.skip();
    const { page, loadBalancer } = fixture.urls;
    const atIpv6 = (url: string): string => url.replace("localhost", "[::1]");
    assert.equal((await ask(atIpv6(page))).status, 200);
    const reply = await ask(atIpv6(loadBalancer), { headers: WITH_SECRET });
    const seen = JSON.parse(reply.body) as { headers: Record<string, string> };
    assert.equal(seen.headers["x-forwarded-for"], "::1");
  });

  it("answers HEAD without a body", async () => {
    const reply = await ask(`${edge}/x`, { method: "HEAD" });
    assert.equal(reply.status, 200);
    assert.equal(reply.body, "");
  });

  it("answers 502 where the target cuts the connection", async () => {
    assert.equal((await ask(`${balancer}/cut`, { headers: WITH_SECRET })).status, 502);
  });

  it("refuses plain HTTP at the edge's own port, for requests and upgrades", async () => {
    const plain = edge.replace("https", "http");
    const reply = await ask(`${plain}/x`);
    assert.equal(reply.status, 403);
    assert.equal(reply.headers["x-cache"], "Error from cloudfront");
    assert.equal(await refusedUpgrade(`${plain.replace("http", "ws")}/chat`), 403);
  });

  it("refuses a method that the behaviour does not declare", async () => {
    assert.equal((await ask(`${edge}/x`, { method: "DELETE" })).status, 403);
  });

  it("passes on the server's refusal of an upgrade", async () => {
    assert.equal(await refusedUpgrade(`${edge.replace("https", "wss")}/elsewhere`), 400);
  });

  it("carries a WebSocket through both hops, bytes both ways, of any size", async () => {
    using client = await connect(fixture.urls.websocket);
    for (const size of [0, 1, 125, 70_000, 2_000_000]) {
      const sent = Buffer.alloc(size, "x");
      client.socket.send(sent);
      const [received] = (await once(client.socket, "message")) as [Buffer];
      assert.ok(sent.equals(received));
    }
  });

  it("counts a WebSocket as open until it is closed", async () => {
    const open = (): number | undefined => fixture.stack.status()[0]?.open;
    const client = await connect(webSocketAtBalancer, WITH_SECRET);
    assert.equal(open(), 1);
    client.socket.close();
    await once(client.socket, "close");
    // The load balancer hears of the end when both of its sockets are closed.
    await waitUntil(() => open() === 0);
  });

  it("never tells the secret", () => {
    assert.ok(!JSON.stringify(fixture.events).includes(SECRET));
  });
});

describe("local stack: timeouts and policies", () => {
  it("answers 504 when the target stays silent for the declared idle timeout", async () => {
    await using fixture = await running(wholePath({ loadBalancer: { idleTimeout: 0.2 } }));
    const reply = await ask(`${fixture.urls.loadBalancer}/hang`, { headers: WITH_SECRET });
    assert.equal(reply.status, 504);
  });

  it("answers 504 at the edge after the declared read timeout", async () => {
    await using fixture = await running(wholePath({ originConfig: { originReadTimeout: 0.2 } }));
    const reply = await ask(new URL("/hang", fixture.urls.page).href);
    assert.equal(reply.status, 504);
    assert.equal(reply.headers["x-cache"], "Error from cloudfront");
  });

  it("cuts a WebSocket that is silent for the declared idle timeout", async () => {
    // Not shorter than the answer to the upgrade may take on a busy machine.
    await using fixture = await running(wholePath({ loadBalancer: { idleTimeout: 1 } }));
    using client = await connect(fixture.urls.websocket);
    const [code] = (await once(client.socket, "close")) as [number];
    assert.equal(code, 1006);
  });

  it("redirects plain HTTP where declared", async () => {
    const graph = wholePath({ behavior: { viewerProtocolPolicy: "redirect-to-https" } });
    await using fixture = await running(graph);
    const { page } = fixture.urls;
    const reply = await ask(page.replace("https", "http"), { headers: { Host: new URL(page).host } });
    assert.equal(reply.status, 301);
    assert.equal(reply.headers.location, page);
  });

  it("answers 503 while no task is registered", async () => {
    await using fixture = await launch(wholePath({ environment: { MODE: "crash" } }));
    const reply = await ask(fixture.urls.loadBalancer, { headers: WITH_SECRET });
    assert.equal(reply.status, 503);
  });

  it("refuses an origin where nothing listens, and leaves nothing behind", async () => {
    await assert.rejects(launch(wholePath({ originConfig: { httpPort: 81 } })), /origin balancer is port 81/);
  });
});

describe("local stack: tasks", () => {
  it("spreads WebSockets by open connections", async () => {
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

  it("replaces a killed task by a new one with a new name, and cuts its clients", async () => {
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

  it("replaces a task that turns unhealthy, the successor first", async () => {
    await using fixture = await running(wholePath());
    await ask(`${fixture.urls.loadBalancer}/sicken`, { headers: WITH_SECRET });
    const unhealthy = await fixture.next("task-unhealthy");
    assert.match(unhealthy.reason, /\/alive did not answer 200/);
    const stopped = await fixture.next("task-stopped");
    assert.deepEqual([stopped.id, stopped.expected, stopped.code], ["task-1", true, 0]);
    const order = fixture.events.map(({ event }) => event);
    assert.ok(order.lastIndexOf("task-started") < order.indexOf("task-stopped"));
    await fixture.next("task-healthy", ({ id }) => id === "task-2");
  });

  it("stops a task before its successor starts where the declared percentage wants it so", async () => {
    await using fixture = await running(wholePath({ service: { deploymentMaximumPercent: 100 } }));
    await ask(`${fixture.urls.loadBalancer}/sicken`, { headers: WITH_SECRET });
    await fixture.next("task-healthy", ({ id }) => id === "task-2");
    const order = fixture.events.map(({ event }) => event);
    assert.ok(order.lastIndexOf("task-started") > order.indexOf("task-stopped"));
  });

  it("shows what its tasks log, but not the lines that are metrics", async () => {
    await using fixture = await running(wholePath());
    await fixture.next("task-output", ({ line }) => line === "read on");
    const output = fixture.events.flatMap((event) => (event.event === "task-output" ? [event.line] : []));
    assert.deepEqual(output, ["read on"]);
  });

  it("gives up after the circuit breaker's threshold, and says what the tasks said", async () => {
    await using fixture = await launch(
      wholePath({ environment: { MODE: "crash" }, service: { desiredCount: 1 } }),
      { tasks: 3 },
    );
    await assert.rejects(fixture.stack.ready, /service: 3 tasks in a row .* circuit breaker gives up/);
    const { code, output } = await fixture.next("task-stopped");
    assert.equal(code, 3);
    assert.deepEqual(output, ["cannot go on"]);
  });

  it("is ready only when the container's own health check passes too", async () => {
    const command = ["CMD", "node", "server.mjs", "nonsense"];
    const healthCheck = { command, interval: 1, timeout: 1, retries: 1 };
    await using fixture = await launch(wholePath({ container: { healthCheck } }));
    // Without "health" the fixture starts as a second server, on a port that is taken.
    const { reason } = await fixture.next("task-unhealthy");
    assert.match(reason, /health check "nonsense" failed/);
    assert.ok(!fixture.events.some(({ event }) => event === "task-healthy"));
  });
});

describe("local stack: tasks that never listen", () => {
  const mute = { environment: { MODE: "mute" }, service: { healthCheckGracePeriodSeconds: 0.2 } };
  const command = ["CMD", "node", "server.mjs", "health"];

  for (const [judge, changes] of [
    ["the container's check", { container: { healthCheck: { command, interval: 0.1, retries: 2 } } }],
    ["the target group's check", { container: { healthCheck: undefined } }],
  ] as const) {
    it(`are replaced by the verdict of ${judge}, until the circuit breaker gives up`, async () => {
      await using fixture = await launch(wholePath({ ...mute, ...changes }));
      await assert.rejects(fixture.stack.ready, /service: 3 tasks in a row .* circuit breaker gives up/);
      const unhealthy = await fixture.next("task-unhealthy");
      assert.deepEqual([unhealthy.id, unhealthy.reason], ["task-1", "it does not listen"]);
      const stopped = await fixture.next("task-stopped", ({ id }) => id === "task-1");
      assert.equal(stopped.expected, true);
    });
  }
});

describe("local stack: a deregistration delay that nobody would sit out", () => {
  const PATIENT = { targetGroup: { deregistrationDelay: 300 } };

  it("ends with the task, though a reader still has a backlog of it", async () => {
    await using fixture = await running(wholePath(PATIENT));
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

  it("is cut short by the end of the stack", async () => {
    const fixture = await running(wholePath(PATIENT));
    using client = await connect(fixture.urls.websocket);
    const closed = once(client.socket, "close");
    await ask(`${fixture.urls.loadBalancer}/sicken`, { headers: WITH_SECRET });
    await fixture.next("task-started", ({ id }) => id === "task-2");
    await fixture.stack.close();
    assert.deepEqual((await closed)[0], 1001);
  });
});

describe("local stack: the end", () => {
  it("closes clients with 1001 through the whole path, and leaves no process", async () => {
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

  it("holds no socket of a connection that has ended in order", async () => {
    await using fixture = await running(wholePath({ healthCheck: { interval: 60 } }));
    using made = socketsMade();
    for (const page of [fixture.urls.page, fixture.urls.page]) {
      const client = await connect(fixture.urls.websocket);
      client.socket.close();
      await once(client.socket, "close");
      await ask(page);
    }
    // The client's own and those of two hops, for each of two connections and two requests.
    assert.equal(made.toServers.length, 12);
    await waitUntil(() => [...made.toServers, ...made.fromClients].every(({ closed }) => closed));
    const ended = made.toServers.filter(({ readableEnded }) => readableEnded);
    assert.ok(ended.length >= 4, "not cut after a while of silence");
  });

  it("kills a stubborn task after the declared stop timeout", async () => {
    const fixture = await running(
      wholePath({ environment: { MODE: "stubborn" }, container: { stopTimeout: 0.3 } }),
    );
    const started = performance.now();
    await fixture.stack.close();
    const { signal } = await fixture.next("task-stopped");
    assert.equal(signal, "SIGKILL");
    assert.ok(performance.now() - started >= 290);
  });

  it("says in one line which port is taken and which option changes it, and leaves nothing running", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const address = taken.address();
    assert.ok(typeof address === "object" && address !== null);
    const { port } = address;
    const refusal = (name: string, option: string): { message: string } => ({
      message: `Port ${port} for the ${name} is taken; choose another with ${option} PORT.`,
    });
    await assert.rejects(launch(wholePath(), { edgePort: port }), refusal("edge", "--edge-port"));
    await assert.rejects(
      launch(wholePath(), { loadBalancerPort: port }),
      refusal("load balancer", "--load-balancer-port"),
    );
    taken.close();
  });

  it("takes a port for taken that is so at one address of localhost", async function () {
    if (!hasIpv6()) this.skip();
    const taken = createServer().listen(0, "::1");
    await once(taken, "listening");
    const address = taken.address();
    assert.ok(typeof address === "object" && address !== null);
    await assert.rejects(
      launch(wholePath(), { edgePort: address.port }),
      /is taken; choose another with --edge-port/,
    );
    taken.close();
  });

  it("takes its tasks along even when it is killed itself", async () => {
    const script = path.join(ROOT, "tests", "local", "support", "parent.ts");
    const parent = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = (await once(createInterface({ input: parent.stdout }), "line")) as [string];
    const pid = Number(line);
    assert.ok(alive(pid));
    // A pipe from the task ends with it: nothing has to be polled.
    const ended = once(parent.stdout, "end");
    parent.kill("SIGKILL");
    await once(parent, "exit");
    await ended;
    await waitUntil(() => !alive(pid));
  });
});
