/** The process of `npm start`, and how it ends. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempDisposableSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { HOMELESS } from "../support/homeless.ts";
import { startAsNpm } from "../support/npmProcess.ts";
import { waitUntil } from "../support/waitUntil.ts";
import { ROOT } from "./support/paths.ts";
import { alive } from "./support/processes.ts";

const MAIN = path.join(ROOT, "local", "main.ts");
const ON_ANY_PORT = ["--edge-port", "0", "--load-balancer-port", "0"];

interface Event {
  readonly event: string;
  readonly pid?: number;
  readonly url?: string;
  readonly urls?: { readonly websocket: string };
}

describe("the process of npm start", function () {
  // Each process evaluates the program, which is slow on a busy machine.
  this.timeout(60_000);

  const closing: (() => void)[] = [];

  afterEach(() => {
    for (const close of closing.splice(0)) close();
  });

  function start(
    args: readonly string[] = [],
    nodeOptions: readonly string[] = [],
    variables: Readonly<Record<string, string>> = {},
  ) {
    const child = spawn(process.execPath, [...nodeOptions, MAIN, "--json", ...ON_ANY_PORT, ...args], {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env: { ...process.env, ...variables },
    });
    closing.push(() => child.kill("SIGKILL"));
    const { stdout, stderr } = child;
    assert.ok(stdout && stderr);
    const exited = once(child, "exit") as Promise<[code: number | null, signal: NodeJS.Signals | null]>;
    return { child, stdout, errors: text(stderr), exited };
  }

  it("ends in order by the command that another stack prints for taken ports", async () => {
    const first = start();
    const lines = createInterface({ input: first.stdout });
    let dashboardPort = "";
    const port = await new Promise<string>((resolve) => {
      lines.on("line", (line) => {
        const { event, url, urls } = JSON.parse(line) as Event;
        if (event === "dashboard-started" && url !== undefined) dashboardPort = new URL(url).port;
        if (event === "ready" && urls !== undefined) resolve(new URL(urls.websocket).port);
      });
    });
    const second = start(["--edge-port", port, "--dashboard-port", dashboardPort]);
    const output = text(second.stdout);
    assert.deepEqual(await second.exited, [1, null]);
    const { pid } = first.child;
    const command = `kill ${pid}`;
    const last = JSON.parse((await output).trimEnd().split("\n").at(-1) ?? "") as { message: string };
    const errorFor = (taken: string, name: string, option: string): string =>
      `Port ${taken} for the ${name} is taken by another running stack of this project (pid ${pid}). ` +
      `Fix: \`${command}\`, or pass \`${option} PORT\` with another port`;
    const errors = [
      errorFor(port, "edge", "--edge-port"),
      errorFor(dashboardPort, "dashboard", "--dashboard-port"),
    ];
    assert.deepEqual(last.message.split("\n"), errors);
    assert.ok(!(await output).includes('"task-started"'), "no task starts");
    execFileSync("/bin/sh", ["-c", command]);
    assert.deepEqual(await first.exited, [0, null]);
  });

  it("ends without output or files while it evaluates the program and builds the server", async () => {
    using folder = mkdtempDisposableSync(path.join(tmpdir(), "start-"));
    const { child, stdout, errors, exited } = start(["--watch"], [], { TMPDIR: folder.path });
    const output = text(stdout);
    // The build and the evaluation run when the folder of the build is there.
    await waitUntil(() => readdirSync(folder.path).some((name) => name.startsWith("websocket-images-")));
    child.kill("SIGINT");
    assert.deepEqual(await exited, [0, null]);
    assert.deepEqual([await output, await errors], ["", ""]);
    assert.deepEqual(readdirSync(folder.path), []);
  });

  it("ends in order for a Ctrl-C right after a task has started", async () => {
    const { child, stdout, errors, exited } = start();
    const events: Event[] = [];
    const lines = createInterface({ input: stdout });
    lines.on("line", (line) => {
      const event = JSON.parse(line) as Event;
      events.push(event);
      if (event.event === "task-started") child.kill("SIGINT");
    });
    const read = once(lines, "close");
    assert.deepEqual(await exited, [0, null]);
    await read;
    assert.equal(await errors, "");
    assert.equal(events.at(-1)?.event, "stopped");
    for (const { pid } of events) assert.ok(pid === undefined || !alive(pid));
  });

  it("ends in order if npm is killed", async () => {
    const { npm, stdout, close } = startAsNpm(MAIN, ["--json", ...ON_ANY_PORT], process.env);
    closing.push(close);
    const lines = createInterface({ input: stdout });
    const events: Event[] = [];
    lines.on("line", (line) => {
      const event = JSON.parse(line) as Event;
      events.push(event);
      if (event.event === "ready") npm.kill("SIGKILL");
    });
    // Every process that writes to the pipe has ended.
    await once(lines, "close");
    assert.equal(events.at(-1)?.event, "stopped");
    for (const { pid } of events) assert.ok(pid === undefined || !alive(pid));
  });

  it("starts for a user without a home folder", async () => {
    const { child, stdout, errors, exited } = start([], ["--import", HOMELESS]);
    const lines = createInterface({ input: stdout });
    lines.on("line", (line) => {
      if ((JSON.parse(line) as Event).event === "ready") child.kill("SIGINT");
    });
    assert.deepEqual(await exited, [0, null]);
    assert.equal(await errors, "");
  });

  it("ends if the program has left a timer open", async () => {
    const { child, stdout, exited } = start(
      [],
      ["--import", "data:text/javascript,setInterval(() => {}, 1000)"],
    );
    const lines = createInterface({ input: stdout });
    const events: Event[] = [];
    lines.on("line", (line) => {
      const event = JSON.parse(line) as Event;
      events.push(event);
      if (event.event === "ready") child.kill("SIGINT");
    });
    const read = once(lines, "close");
    assert.deepEqual(await exited, [0, null]);
    await read;
    assert.equal(events.at(-1)?.event, "stopped");
  });

  it("ends in order and without errors if the reader of its output has closed", async () => {
    const { stdout, errors, exited } = start();
    const task = await new Promise<number>((resolve) => {
      createInterface({ input: stdout }).on("line", (line) => {
        const { event, pid } = JSON.parse(line) as Event;
        if (event !== "task-started" || pid === undefined) return;
        stdout.destroy();
        resolve(pid);
      });
    });
    assert.deepEqual(await exited, [0, null]);
    assert.equal(await errors, "");
    assert.ok(!alive(task));
  });
});
