import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import path from "node:path";
import { text } from "node:stream/consumers";
import { atSuiteEnd } from "../support/atSuiteEnd.ts";
import { connectTo, startStack } from "../support/localStack.ts";
import type { Client, StackProcess } from "../support/localStack.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const CLOSE_GOING_AWAY = 1001;

describe("npm start", function () {
  // Evaluation, two processes and health checks are slow on a busy machine.
  this.timeout(60_000);

  describe("with one task", () => {
    let stack: StackProcess;
    const clients: Client[] = [];

    const connect = async (): Promise<Client> => {
      const client = await connectTo(stack.urls.websocket);
      clients.push(client);
      return client;
    };

    before(async function () {
      stack = await startStack("--tasks", "1");
      atSuiteEnd(this, () => stack.close());
    });

    afterEach(() => {
      for (const client of clients.splice(0)) client.close();
    });

    it("delivers every message to every client, also the publisher, in one order", async () => {
      const [first, second] = await Promise.all([connect(), connect()]);
      first.send({ from: "first" });
      second.send({ from: "second" });
      const receivedByFirst = [await first.next(), await first.next()];
      const receivedBySecond = [await second.next(), await second.next()];
      assert.deepEqual(receivedByFirst, receivedBySecond);
      assert.deepEqual(
        new Set(receivedByFirst.map((frame) => JSON.stringify(frame))),
        new Set(['{"message":{"from":"first"}}', '{"message":{"from":"second"}}']),
      );
    });

    it("serves the console page and the health check through the edge", async () => {
      const page = new URL(stack.urls.page);
      const root = await get(new URL("/", page));
      assert.equal(root.status, 200);
      assert.match(root.body, /<title>WebSocket console<\/title>/);
      assert.deepEqual(await get(page), root);
      assert.deepEqual(await get(new URL("/health", page)), { status: 200, body: "Ok" });
    });

    it("passes the load test", async () => {
      const loadTest = spawn(
        process.execPath,
        ["load-test/main.ts", stack.urls.websocket, "--total", "50", "--rate", "100", "--json"],
        { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] },
      );
      const [output, code] = await Promise.all([text(loadTest.stdout), exitCodeOf(loadTest)]);
      assert.equal(code, 0, output);
      const { connections } = JSON.parse(output) as { connections: { connected: number } };
      assert.equal(connections.connected, 50);
    });

    it("closes its clients with 1001 on Ctrl-C, and leaves no process", async () => {
      const client = await connect();
      await stack.interrupt();
      assert.equal(await client.closed, CLOSE_GOING_AWAY);
      const pids = stack.events.flatMap(({ event, pid }) => (event === "task-started" && pid ? [pid] : []));
      assert.ok(pids.length > 0);
      for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
      assert.equal(stack.events.at(-1)?.event, "stopped");
    });
  });

  it("runs the number of tasks of --tasks, and delivers every message to the clients of all", async () => {
    const stack = await startStack("--stack", "prod", "--tasks", "3");
    try {
      const healthy = stack.events.filter(({ event }) => event === "task-healthy");
      assert.equal(new Set(healthy.map(({ id }) => id)).size, 3);
      // The task with the fewest connections gets the next one.
      const clients = await Promise.all([1, 2, 3].map(() => connectTo(stack.urls.websocket)));
      for (const [index, client] of clients.entries()) {
        client.send({ from: index });
        for (const receiver of clients) assert.deepEqual(await receiver.next(), { message: { from: index } });
      }
      for (const client of clients) client.close();
    } finally {
      await stack.close();
    }
  });

  it("exits with 1 and a message if the stack does not exist", async () => {
    const { code, stderr } = await failingStart("--stack", "prd");
    assert.equal(code, 1);
    assert.match(stderr, /Pulumi\.prd\.yaml.*prod/);
    assert.doesNotMatch(stderr, /^\s+at /m);
  });
});

async function failingStart(...args: readonly string[]): Promise<{ code: number | null; stderr: string }> {
  const child = spawn(process.execPath, ["local/main.ts", ...args], {
    cwd: ROOT,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const [stderr, code] = await Promise.all([text(child.stderr), exitCodeOf(child)]);
  return { code, stderr };
}

async function exitCodeOf(child: ChildProcess): Promise<number | null> {
  const [code] = (await once(child, "exit")) as [number | null];
  return code;
}

async function get(url: URL): Promise<{ status: number | undefined; body: string }> {
  const sent = request(url, { rejectUnauthorized: false }).end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  return { status: response.statusCode, body: await text(response) };
}
