import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { WebSocket } from "ws";
import { once } from "node:events";
import { defaultSettings } from "../../app/src/settings/settings.ts";
import { evaluateStack } from "../../infra/evaluation/evaluate.ts";
import type { DeclaredGraph } from "../../infra/evaluation/graph.ts";
import { childEnvironment } from "../../cli/childEnvironment.ts";
import type { StackOptions } from "../../local/stack.ts";
import { atSuiteEnd } from "../support/atSuiteEnd.ts";
import { launch, running, type StackFixture } from "./support/stack.ts";

const FIXTURE = path.join(import.meta.dirname, "fixtures", "own-image");
const SECRET = { "X-Secret": "open sesame" };
const OPTIONS: Partial<StackOptions> = { baseEnvironment: childEnvironment(process.env) };
const EXIT_GRACEFUL = 0;

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly cookies: readonly string[];
}

async function get(url: string, headers: Readonly<Record<string, string>> = SECRET): Promise<Answer> {
  const [response] = (await once(request(url, { headers, rejectUnauthorized: false }).end(), "response")) as [
    IncomingMessage,
  ];
  return {
    status: response.statusCode ?? 0,
    body: await text(response),
    cookies: (response.headers["set-cookie"] ?? []).map((cookie) => cookie.split(";")[0] ?? ""),
  };
}

async function declared(
  config: Readonly<Record<string, string>> = {},
  root = FIXTURE,
): Promise<DeclaredGraph> {
  return evaluateStack({ stack: "dev", root, config });
}

describe("a service with an image of its own", function () {
  this.timeout(60_000);

  describe("that has a command", () => {
    let stack: StackFixture;

    before(async function () {
      stack = await running(await declared(), OPTIONS);
      atSuiteEnd(this, () => stack.stack.close());
    });

    it("runs as two processes behind the load balancer, with its variables and secrets", async () => {
      const pids = new Set<unknown>();
      for (let n = 0; n < 4; n++) {
        const { status, body } = await get(stack.urls.page);
        assert.equal(status, 200);
        const { pid, ...variables } = JSON.parse(body) as Readonly<Record<string, unknown>>;
        pids.add(pid);
        assert.deepEqual(variables, {
          GREETING: "hello",
          PASSWORD: "from the parameter",
          TOKEN: "from the secret",
        });
      }
      const started = stack.events.flatMap((event) => (event.event === "task-started" ? [event.pid] : []));
      assert.deepEqual([...pids].sort(), started.sort());
    });

    it("refuses requests without the secret header", async () => {
      const { status, body } = await get(stack.urls.page, {});
      assert.deepEqual([status, body], [403, "no"]);
    });

    it("keeps a client at its target by the cookie of the load balancer", async () => {
      const first = await get(stack.urls.page);
      const [cookie = ""] = first.cookies;
      assert.match(cookie, /^AWSALB=/);
      assert.match(first.cookies[1] ?? "", /^AWSALBCORS=/);
      for (let n = 0; n < 3; n++) {
        assert.equal((await get(stack.urls.page, { ...SECRET, Cookie: cookie })).body, first.body);
      }
    });

    it("connects WebSocket clients at the path of the output", async () => {
      assert.equal(new URL(stack.urls.websocket).pathname, "/socket");
      const client = new WebSocket(stack.urls.websocket, { rejectUnauthorized: false, headers: SECRET });
      const [greeting] = (await once(client, "message")) as [Buffer];
      assert.match(greeting.toString(), /^\d+$/);
      client.terminate();
    });

    it("reports the other containers, unknown secrets, and resources without an effect, one line each", () => {
      const reasons = stack.events.flatMap((event) =>
        event.event === "unsupported" ? [`${event.names.join(", ")}: ${event.reason}`] : [],
      );
      assert.deepEqual(reasons.sort(), [
        "orders: the local stack does not emulate them",
        "servers: only AWS has the values of ELSEWHERE, unless the environment of this command has them",
        "servers: the local stack does not run collector",
      ]);
    });

    it("is replaced task by task after a change, and drains at SIGTERM", async () => {
      const client = new WebSocket(stack.urls.websocket, { rejectUnauthorized: false, headers: SECRET });
      await once(client, "message");
      const closed = once(client, "close") as Promise<[number, Buffer]>;
      stack.stack.update({
        files: ["index.ts"],
        graph: await declared({ "own-image:greeting": "good evening" }),
      });
      const failures: unknown[] = [];
      const isDone = (): boolean =>
        stack.events.some((event) => event.event === "deployment-completed" && event.revision === 2);
      while (!isDone()) {
        const { status, body } = await get(stack.urls.page);
        if (status !== 200) failures.push(body);
      }
      assert.deepEqual(failures, []);
      assert.match((await get(stack.urls.page)).body, /good evening/);
      const [code, reason] = await closed;
      assert.deepEqual([code, reason.toString()], [1001, "drained"]);
      const ended = await stack.next("task-stopped");
      assert.deepEqual([ended.code, ended.expected], [EXIT_GRACEFUL, true]);
    });

    it("is replaced after a kill", async () => {
      const task = stack.stack.status().findLast(({ health }) => health === "healthy");
      assert.ok(task);
      stack.stack.faults.apply("kill-task", task.id);
      const ended = await stack.next("task-stopped", ({ id }) => id === task.id);
      assert.equal(ended.signal, "SIGKILL");
      await stack.next("task-started", ({ id }) => Number(id.slice(5)) > 4);
    });
  });

  it("runs behind the edge of its component, of which a stack can have several", async () => {
    const graph = await declared({}, path.join(path.dirname(FIXTURE), "two-services"));
    await assert.rejects(
      launch(graph, OPTIONS),
      /`--service`: got nothing; expected one of .*(chat.*news|news.*chat)/,
    );
    await using stack = await running(graph, { ...OPTIONS, service: "news", tasks: 1 });
    assert.equal(new URL(stack.urls.websocket).pathname, "/news");
    const { body, cookies } = await get(stack.urls.page, {});
    assert.match(body, /"GREETING":"news".*"VALKEY_URL":"redis:\/\/[^"]*127\.0\.0\.1:\d+"/);
    assert.match(cookies[0] ?? "", /^AWSALB=/);
    assert.equal((await fetch(stack.urls.loadBalancer)).status, 403);
  });

  it("triggers the circuit breaker if its command does not exist", async () => {
    await using stack = await launch(await declared({ "own-image:command": '["no-such-program"]' }), OPTIONS);
    await assert.rejects(stack.stack.ready, /servers: \d+ consecutive tasks ended/);
    const ended = await stack.next("task-stopped");
    assert.match(ended.output.join(), /no-such-program ENOENT/);
  });

  it("names PORT if the server does not listen there", async () => {
    const code = "console.log(process.env.PORT); setInterval(() => {}, 1000)";
    const graph = await declared({
      "own-image:command": JSON.stringify(["node", "-e", code]),
      "own-image:retries": "1",
    });
    await using stack = await launch(graph, { ...OPTIONS, tasks: 1 });
    const { line: port } = await stack.next("task-output");
    const { reason } = await stack.next("task-unhealthy");
    assert.equal(reason, `the server does not listen on the port in PORT, ${port}`);
  });

  it("needs a command, Docker or Podman", async () => {
    await assert.rejects(launch(await declared({ "own-image:command": "[]" }), OPTIONS), {
      message:
        'container server: got no command, and neither Docker nor Podman is installed. Fix: set `image.command`, such as ["node", "server.js"], which runs without a container',
    });
  });

  it("cannot require development tokens", async () => {
    const tokenSettings = { ...defaultSettings(), jwtIssuer: "development" };
    await assert.rejects(launch(await declared(), { ...OPTIONS, tokenSettings }), {
      name: "ExpectedError",
      message: /^`--tokens`: got a stack without a service of this server; /,
    });
  });

  describe("in a container", () => {
    const folder = realpathSync(mkdtempSync(path.join(tmpdir(), "engine-")));
    const log = path.join(folder, "log");
    const engine = path.join(folder, "docker");

    before(() => {
      // A stand-in for Docker: it records its arguments, and runs the server as a process at the published port.
      // The path of Node can contain spaces, which the first line of a script cannot.
      writeFileSync(engine, `#!/bin/sh\nexec "${process.execPath}" "$0.cjs" "$@"\n`);
      writeFileSync(
        `${engine}.cjs`,
        `const { appendFileSync } = require("node:fs");
const { spawn } = require("node:child_process");
const args = process.argv.slice(2);
appendFileSync(${JSON.stringify(log)}, JSON.stringify(args) + "\\n");
if (args[0] === "run") {
  const port = args[args.indexOf("--publish") + 1].split(":")[1];
  const child = spawn(process.execPath, [${JSON.stringify(path.join(FIXTURE, "server/main.ts"))}], { stdio: "inherit", env: { ...process.env, PORT: port } });
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  child.on("exit", (code) => process.exit(code ?? 1));
}
`,
      );
      chmodSync(engine, 0o755);
    });

    after(() => {
      rmSync(folder, { recursive: true });
    });

    it("is built and run by the engine, without secrets in its command line", async () => {
      const stack = await running(await declared(), {
        ...OPTIONS,
        containerEngine: engine,
        prefersContainers: true,
        tasks: 1,
      });
      const { body } = await get(stack.urls.page);
      assert.match(body, /from the parameter/);
      await stack.stack.close();
      const calls = readFileSync(log, "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as readonly string[]);
      const [build = [], run = []] = calls;
      assert.deepEqual([build[0], build.at(-1)], ["build", path.join(FIXTURE, "server")]);
      assert.equal(run[0], "run");
      assert.match(
        run.join(" "),
        /--publish 127\.0\.0\.1:\d+:9000 .*--env GREETING --env PASSWORD .*local-server:[0-9a-f]{12} node main\.ts$/,
      );
      assert.doesNotMatch(JSON.stringify(calls), /from the/);
      assert.ok(
        calls.some(([command]) => command === "exec"),
        "the health check runs in the container",
      );
    });
  });
});
