/** The Python client, in processes of its own, with the server. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { homedir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";

import { listen } from "../app/support/listen.ts";
import { startServer } from "../app/support/server.ts";
import { afterwards, tearDown } from "../app/support/teardown.ts";
import { authorizer, createKey, now, sign, startKeyServer } from "../app/support/tokens.ts";
import { startFaultProxy } from "../faults/support/faultProxy.ts";
import type { FaultProxy } from "../faults/support/faultProxy.ts";
import { leaveOut } from "../support/leaveOut.ts";

const CLIENT = path.resolve(import.meta.dirname, "../../clients/python");
const SCENARIOS = path.join(import.meta.dirname, "python/scenarios.py");

/** The folder of .ci/install-python-packages. */
const PACKAGES = path.join(homedir(), ".local/lib/websocket-channels-tests");

const ENVIRONMENT = {
  ...process.env,
  PYTHONPATH: [CLIENT, PACKAGES].join(path.delimiter),
  PYTHONDONTWRITEBYTECODE: "1",
};

/** Runs a scenario, which must succeed, and returns what it prints. `proxy` applies the faults that it requests. */
async function run(name: string, args: readonly string[], proxy?: FaultProxy): Promise<string> {
  const child = spawn("python3", ["-W", "error", SCENARIOS, name, ...args], {
    env: ENVIRONMENT,
    stdio: ["ignore", "pipe", "pipe"],
  });
  afterwards(() => child.kill("SIGKILL"));
  const lines: string[] = [];
  createInterface(child.stdout).on("line", (line) => {
    if (line === "reset") proxy?.reset(1);
    else if (line === "halfOpen") proxy?.makeHalfOpen(1);
    else lines.push(line);
  });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const [code] = (await once(child, "close")) as unknown[];
  assert.ok(code === 0 && errors === "", `${lines.join("\n")}\n${errors}`);
  return lines.join("\n");
}

async function startProxy(url: string): Promise<FaultProxy & { readonly url: string }> {
  const proxy = await startFaultProxy({
    targets: [Number(new URL(url).port)],
    random: () => 0,
    keepsTargets: true,
  });
  afterwards(() => proxy.close());
  return { ...proxy, url: `ws://127.0.0.1:${proxy.port}/wss` };
}

async function startServerWithTokens() {
  const key = await createKey("1");
  const { url: jwksUrl } = await startKeyServer(key);
  const { url } = await startServer({}, { authorize: authorizer(jwksUrl) });
  const claims = { sub: "alice", channels: "room.*" };
  return { url, token: (more = {}) => sign(key, { ...claims, ...more }) };
}

describe("the client for Python", function () {
  this.timeout(40_000);

  before(function () {
    const check = "import sys, websockets.asyncio.client; sys.exit(sys.version_info < (3, 10))";
    if (spawnSync("python3", ["-c", check], { env: ENVIRONMENT }).status !== 0) {
      leaveOut(this, { program: "Python 3.10 with websockets", fix: ".ci/install-python-packages" });
    }
  });

  afterEach(tearDown);

  it("publishes to, and reads from, one order with another client", async () => {
    await run("two_clients", [(await startServer()).url]);
  });

  it("begins with the last messages, leaves a channel, and joins it again", async () => {
    await run("last", [(await startServer()).url]);
  });

  it("resumes after its connection was reset", async () => {
    const proxy = await startProxy((await startServer()).url);
    await run("resume", [proxy.url], proxy);
    assert.equal(proxy.connectedAt.length, 2);
  });

  it("loses and repeats nothing over twenty resets", async () => {
    const proxy = await startProxy((await startServer()).url);
    assert.match(await run("cuts", [proxy.url], proxy), /^published \d{3,} over 2\d cuts$/);
  });

  it("reports a gap after an unknown epoch or offset", async () => {
    await run("unknown_epoch", [(await startServer()).url]);
  });

  it("reports the messages that the log has dropped", async () => {
    await run("dropped", [(await startServer({ retainedMessages: 10 })).url]);
  });

  it("reports a gap that the end of a connection has delayed", async () => {
    await run("interrupted_gap", [""]);
  });

  it("reports rejected publishes and subscribes, and continues", async () => {
    const { url, token } = await startServerWithTokens();
    await run("rejected", [url, await token()]);
  });

  it("stops if the server refuses it permanently", async () => {
    const { url, token } = await startServerWithTokens();
    await run("refused", [url, await token(), await token({ exp: now() - 3600 })]);
  });

  it("opens the next connection before its token expires", async () => {
    const { url, token } = await startServerWithTokens();
    await run("token_renewal", [url, await token({ exp: now() + 5 }), await token()]);
  });

  it("replaces a connection without heartbeats", async () => {
    const proxy = await startProxy((await startServer({ heartbeatSeconds: 1 })).url);
    await run("silence", [proxy.url], proxy);
  });

  it("waits as long as the server requests", async () => {
    const { url } = await startServer();
    const attempts: number[] = [];
    const front = createServer().on("upgrade", (request, socket) => {
      attempts.push(performance.now());
      if (attempts.length === 1) {
        socket.end("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n");
        return;
      }
      const headers = request.rawHeaders.flatMap((text, index, all) =>
        index % 2 === 0 ? [`${text}: ${all[index + 1] ?? ""}\r\n`] : [],
      );
      const server = connect(Number(new URL(url).port), "127.0.0.1");
      server.write(`GET /wss HTTP/1.1\r\n${headers.join("")}\r\n`);
      server.pipe(socket).pipe(server);
    });
    await run("retry_after", [`ws://127.0.0.1:${await listen(front)}/wss`]);
    const [first = 0, second = 0, ...more] = attempts;
    assert.ok(second - first >= 1000, `${second - first} ms`);
    assert.deepEqual(more, []);
  });

  it("keeps every message for a slow reader, and delays no other channel", async () => {
    const { url } = await startServer({ messageBurst: 10_000, messagesPerSecond: 10_000 });
    await run("slow_reader", [url]);
  });
});
