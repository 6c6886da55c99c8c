/** The server of the dashboard, with sockets. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { request, type IncomingMessage, type RequestOptions } from "node:http";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { createFaultControl } from "../../../local/control/faultControl.ts";
import { type Dashboard, startDashboard } from "../../../local/dashboard/dashboard.ts";
import { createHistory, type History } from "../../../local/dashboard/history.ts";
import type { Snapshot } from "../../../local/dashboard/snapshot.ts";
import { MAX_VIEWERS } from "../../../local/dashboard/viewers.ts";
import { createImpairment } from "../../../local/runtime/network/impairment.ts";

/** Snapshots that a stream misses while it is not read. */
const SNAPSHOTS = 6;

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingMessage["headers"];
}

describe("the dashboard's server", () => {
  let dashboard: Dashboard;
  let history: History;
  let port: number;
  let token: string;
  let taskCount: number;

  beforeEach(async () => {
    history = createHistory();
    taskCount = 1;
    const faults = createFaultControl(
      { taskFaults: () => undefined, impairment: createImpairment() },
      (event) => {
        history.add(event);
      },
    );
    dashboard = await startDashboard({
      stack: {
        urls: { websocket: "wss://localhost:8443/wss" },
        status: () =>
          Array.from({ length: taskCount }, (_, n) => ({
            id: `task-${n + 1}`,
            pid: 1,
            port: 2,
            metricsPort: undefined,
            revision: 1,
            health: "healthy",
            open: 3,
            requests: 4,
          })),
        scaling: () => undefined,
        tasks: undefined,
        faults,
      },
      history,
      ports: [{ name: "dashboard", port: 0, option: "--dashboard-port" }],
    });
    const url = new URL(dashboard.url);
    port = Number(url.port);
    token = url.hash.slice(1);
  });

  afterEach(() => dashboard.close());

  type Options = Pick<RequestOptions, "method"> & { readonly headers?: Readonly<Record<string, string>> };

  function open(path: string, { headers, ...options }: Options = {}): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      request(
        {
          host: "127.0.0.1",
          port,
          path,
          agent: false,
          headers: { Host: `localhost:${port}`, Authorization: `Bearer ${token}`, ...headers },
          ...options,
        },
        resolve,
      )
        .on("error", reject)
        .end();
    });
  }

  async function ask(path: string, options?: Options): Promise<Answer> {
    const response = await open(path, options);
    return { status: response.statusCode ?? 0, body: await text(response), headers: response.headers };
  }

  /** Sends bytes, and resolves with everything that the server sends until it closes the connection. */
  async function send(bytes: string): Promise<string> {
    const socket = connect(port, "127.0.0.1");
    socket.write(bytes);
    return text(socket);
  }

  it("serves the page without a token, and nothing else of its folder", async () => {
    const page = await ask("/", { headers: { Authorization: "" } });
    assert.equal(page.status, 200);
    assert.match(page.body, /^<!doctype html>/);
    assert.match(String(page.headers["content-security-policy"]), /^default-src 'none'; script-src 'self';/);
    assert.ok(!page.body.includes(token), "the page does not contain the token");
    for (const path of [
      "/index.html",
      "/../dashboard.ts",
      "/%2e%2e/dashboard.ts",
      "//etc/passwd",
      "/?a",
      "http://x/",
    ]) {
      const { status } = await ask(path);
      assert.equal(status, path === "/?a" ? 200 : 404, path);
    }
  });

  it("refuses requests of other pages and without the token, and changes nothing", async () => {
    const fault = "/faults/add-latency";
    const cases: readonly (readonly [number, string, Options])[] = [
      [401, fault, { method: "POST", headers: { Authorization: "" } }],
      [401, "/snapshots", { headers: { Authorization: "Bearer x" } }],
      [401, `/snapshots?token=${token}`, { headers: { Authorization: "" } }],
      [403, fault, { method: "POST", headers: { Origin: "https://attacker.example" } }],
      [403, fault, { method: "POST", headers: { "Sec-Fetch-Site": "cross-site" } }],
      [421, fault, { method: "POST", headers: { Host: "attacker.example" } }],
      [405, fault, { method: "GET" }],
      [405, "/snapshots", { method: "POST" }],
      [403, "/snapshots", { method: "OPTIONS", headers: { Origin: "https://attacker.example" } }],
      [404, "/faults/ADD", { method: "POST" }],
      [409, "/faults/kill-task?task=task-9", { method: "POST" }],
      [409, "/faults/none", { method: "POST" }],
    ];
    for (const [status, path, options] of cases) {
      const answer = await ask(path, options);
      assert.equal(answer.status, status, `${path} ${JSON.stringify(options)}: ${answer.body}`);
      assert.equal(answer.headers["access-control-allow-origin"], undefined);
    }
    assert.deepEqual(history.events, []);
  });

  it("refuses a body without reading it", async () => {
    const head = [
      "POST /faults/add-latency HTTP/1.1",
      `Host: localhost:${port}`,
      `Authorization: Bearer ${token}`,
      "Content-Length: 1000000000",
    ];
    assert.match(await send(`${head.join("\r\n")}\r\n\r\n{`), /^HTTP\/1\.1 413 /);
    assert.deepEqual(history.events, []);
  });

  it("refuses long headers", async () => {
    assert.match(await send(`GET / HTTP/1.1\r\nX: ${"x".repeat(9000)}\r\n\r\n`), /^HTTP\/1\.1 431 /);
  });

  it("applies and ends a fault, and shows both", async () => {
    const stream = await open("/snapshots");
    const lines = createInterface({ input: stream })[Symbol.asyncIterator]();
    const next = async (): Promise<Snapshot> => {
      const { value } = await lines.next();
      return JSON.parse(String(value)) as Snapshot;
    };
    const first = await next();
    assert.deepEqual([first.tasks.length, first.activeFaults, first.events], [1, [], []]);
    assert.equal((await ask("/faults/add-latency", { method: "POST" })).status, 204);
    const second = await next();
    assert.deepEqual(second.activeFaults, [{ fault: "add-latency" }]);
    assert.deepEqual(
      second.events.map((event) => event.number),
      [1],
    );
    assert.equal((await ask("/faults/add-latency", { method: "DELETE" })).status, 204);
    const third = await next();
    assert.deepEqual(third.activeFaults, []);
    assert.deepEqual(
      third.events.map((event) => event.number),
      [2],
    );
    stream.destroy();
  });

  it("has at most a few streams, and frees the place of one that has ended", async () => {
    const streams = await Promise.all(Array.from({ length: MAX_VIEWERS }, () => open("/snapshots")));
    assert.equal((await ask("/snapshots")).status, 503);
    const [first] = streams;
    assert.ok(first);
    first.destroy();
    await once(first, "close");
    for (let status = 503; status === 503;) {
      const response = await open("/snapshots");
      status = response.statusCode ?? 0;
      response.destroy();
    }
    for (const stream of streams) stream.destroy();
  });

  it("queues nothing for a stream that is not read, which continues with the latest snapshot", async () => {
    const [unread, read] = await Promise.all([open("/snapshots"), open("/snapshots")]);
    const lines = createInterface({ input: read })[Symbol.asyncIterator]();
    // Each snapshot is larger than all buffers between the server and a client.
    taskCount = 60_000;
    for (let n = 0; n < SNAPSHOTS; n++) {
      await lines.next();
      taskCount += 1;
    }
    const latest = taskCount;
    let received = 0;
    for await (const line of createInterface({ input: unread })) {
      received += 1;
      if ((JSON.parse(line) as Snapshot).tasks.length === latest) break;
    }
    assert.ok(received < SNAPSHOTS, `the stream had ${received} snapshots; expected fewer than ${SNAPSHOTS}`);
    unread.destroy();
    read.destroy();
  });
});
