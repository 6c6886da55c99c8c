import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { PassThrough } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import type { ScalingStatus, StackEvent, TaskStatus } from "../../../local/events.ts";
import { jsonOutput } from "../../../local/output/json.ts";
import { linesOutput } from "../../../local/output/lines.ts";
import { liveOutput, taskTable } from "../../../local/output/live.ts";
import { policyTable } from "../../../local/output/scaling.ts";
import { untilBroken } from "../../../local/output/output.ts";

const POLICY = { policy: "connections", metric: "connections per task", target: 5 } as const;

const EVENTS: readonly StackEvent[] = [
  { event: "backplane-ended", afterMs: 1500 },
  { event: "backplane-started", pid: 41, port: 7 },
  { event: "task-started", id: "task-1", pid: 42 },
  { event: "task-output", id: "task-1", line: "hello" },
  { event: "task-replaced", id: "task-1", pid: 42, reason: "GET / timed out after 4 s" },
  {
    event: "task-stopped",
    id: "task-1",
    pid: 42,
    code: 3,
    signal: null,
    expected: false,
    output: ["no disk", "", "  at open"],
  },
  ...["task-2", "task-3"].map(
    (id) =>
      ({
        event: "task-stopped",
        id,
        pid: 43,
        code: 3,
        signal: null,
        expected: false,
        output: ["no disk", "", "  at open"],
      }) as const,
  ),
  { event: "metric", ...POLICY, value: 12.4 },
  { event: "alarm", ...POLICY, alarm: "high", state: "alarm" },
  { event: "alarm", ...POLICY, alarm: "high", state: "ok" },
  { event: "alarm", ...POLICY, alarm: "low", state: "alarm" },
  { event: "scaled", from: 1, to: 3, reason: "connections per task 12.4 > 5 for 3 min: 1 → 3 tasks" },
  {
    event: "ready",
    urls: {
      websocket: "wss://localhost:1/wss",
      page: "https://localhost:1/p",
      loadBalancer: "http://localhost:2",
    },
    seconds: 1.26,
  },
  {
    event: "ready",
    urls: {
      websocket: "wss://localhost:1/",
      plainHttp: "http://localhost:2",
      apiGateway: "wss://localhost:3/",
    },
    seconds: 1,
  },
  { event: "watching", paths: ["app/src", "Pulumi.dev.yaml"] },
  { event: "deployment-started", revision: 1, files: [] },
  { event: "deployment-started", revision: 2, files: ["app/src/a.ts", "app/src/b.ts"] },
  { event: "deployment-failed", revision: 2, reason: "3 consecutive tasks ended", returnsTo: 1 },
  { event: "deployment-completed", revision: 2 },
  { event: "stack-changed", files: ["infra/a.ts"], changed: ["edge"], needRestart: ["backplane"] },
  { event: "stack-changed", files: ["infra/a.ts"], changed: [], needRestart: [] },
  { event: "change-rejected", files: ["infra/a.ts"], message: "one\ntwo" },
  ...[2, 1, 0].map(
    (tasks) => ({ event: "stopping", tasks, stopTimeoutSeconds: 40, secondSignal: "kills" }) as const,
  ),
];

class Text {
  text = "";

  write(text: string): void {
    this.text += text;
  }
}

describe("the output", () => {
  it("with --json is one JSON object per line, with the event and the time", () => {
    const stream = new Text();
    const output = jsonOutput(stream, { verbose: false });
    for (const event of EVENTS) output.event(event);
    output.failed("broken");
    const entries = stream.text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { event: string; time: string });
    assert.deepEqual(
      entries.map(({ event }) => event),
      [...EVENTS.map(({ event }) => event).filter((event) => event !== "task-output"), "failed"],
    );
    assert.ok(entries.every(({ time }) => !Number.isNaN(Date.parse(time))));
  });

  it("names the command that deploys the stack", () => {
    const stream = new Text();
    const counts = { emulated: 1, skipped: 0, unsupported: 0, unknown: 0 };
    linesOutput(stream, stream, { verbose: false }).event({
      event: "declared",
      deployCommand: "pulumi up",
      stack: "dev",
      resources: 1,
      counts,
      path: [],
    });
    assert.match(stream.text, /Production is AWS: pulumi up\.\n$/);
  });

  it("without a terminal is lines, and failures go to stderr", () => {
    const stream = new Text();
    const errors = new Text();
    const output = linesOutput(stream, errors, { verbose: true });
    for (const event of EVENTS) output.event(event);
    output.failed("broken");
    assert.deepEqual(stream.text.trimEnd().split("\n"), [
      "backplane  ended, restarts in 1.5 s without its data",
      "backplane  started, pid 41",
      "task-1   started, pid 42",
      "task-1   | hello",
      "task-1   is replaced: GET / timed out after 4 s",
      "task-1   ended with exit code 3",
      "task-1   | no disk",
      "task-1   |",
      "task-1   |   at open",
      "task-2   ended with exit code 3",
      "task-2   | the same output as task-1",
      "task-3   ended with exit code 3",
      "task-3   | the same output as task-1",
      "scaling  connections per task above 5: ALARM",
      "scaling  connections per task 12.4 > 5 for 3 min: 1 → 3 tasks",
      "ready after 1.3 s",
      "  wss://localhost:1/wss",
      "  https://localhost:1/p",
      "  http://localhost:2  behind the edge",
      "  try npx wscat --no-check -c wss://localhost:1/wss",
      "ready after 1.0 s",
      "  wss://localhost:1/",
      "  http://localhost:2  redirects to https://localhost:1, the local port for 443",
      "  wss://localhost:3/  in front of the API Gateway",
      "  try npx wscat --no-check -c wss://localhost:1/",
      "watching app/src, Pulumi.dev.yaml (--no-watch turns this off)",
      "deploys revision 2: app/src/a.ts and 1 more",
      "deployment failed: revision 2, returns to revision 1: 3 consecutive tasks ended",
      "deployed: every task runs revision 2",
      "infra/a.ts: changes edge",
      "infra/a.ts: restart npm start to change backplane",
      "infra/a.ts: no emulated value changes",
      "rejected: infra/a.ts; the previous version continues",
      "  one",
      "  two",
      "stopping: 2 tasks have up to 40 s after SIGTERM; a second Ctrl-C kills them",
      "stopping: 1 task has up to 40 s after SIGTERM; a second Ctrl-C kills them",
      "stopping",
    ]);
    assert.equal(errors.text, "broken\n");
  });

  it("names the tokens that clients need, and a command that connects with one", () => {
    const stream = new Text();
    const output = linesOutput(stream, stream, { verbose: false });
    output.event({
      event: "tokens-required",
      issuer: "development",
      isDevelopment: true,
      declaredAccess: "open",
    });
    output.event({
      event: "tokens-required",
      issuer: "https://i.example/",
      isDevelopment: false,
      declaredAccess: "token",
    });
    output.event({
      event: "ready",
      urls: { websocket: "wss://localhost:1/wss" },
      needsDevelopmentToken: true,
      apiKey: "key-1",
      seconds: 1,
    });
    assert.deepEqual(stream.text.trimEnd().split("\n"), [
      "tokens   clients need one of `npm run token`; in AWS, the declared access applies, which is open",
      "tokens   clients need one of the issuer https://i.example/; with `npm start -- --tokens`, one of `npm run token`",
      "ready after 1.0 s",
      "  wss://localhost:1/wss",
      "  key-1  API key of backends",
      "  try TOKEN=$(npm run -s token -- --user alice --subscribe '*' --publish '*')",
      '  try npx wscat -n -H "Authorization: Bearer $TOKEN" -c wss://localhost:1/wss',
    ]);
  });

  it("wraps long lines between words in a terminal", () => {
    const message = "several tasks share no messages until a backplane that all of them use is declared";
    const terminal = Object.assign(new PassThrough(), { columns: 30, rows: 20, isTTY: true });
    // The parts of a terminal that the output uses.
    const output = liveOutput(terminal as unknown as NodeJS.WriteStream, { verbose: false, hasKeys: false });
    output.event({ event: "warning", message });
    output.close();
    const shown = stripVTControlCharacters(String(terminal.read())).trimEnd().split("\n");
    assert.ok(shown.length > 1);
    assert.ok(shown.every((line) => line.length <= terminal.columns));
    assert.equal(shown.join(" "), `warning: ${message}`);
  });

  it("ends when a stream fails, and reports that once", () => {
    const stream = new Text();
    const [stdout, stderr] = [new EventEmitter(), new EventEmitter()];
    let broken = 0;
    const output = untilBroken(jsonOutput(stream, { verbose: true }), [stdout, stderr], () => (broken += 1));
    stdout.emit("error", new Error("EPIPE"));
    stderr.emit("error", new Error("EPIPE"));
    for (const event of EVENTS) output.event(event);
    output.failed("not printed");
    assert.deepEqual([stream.text, broken], ["", 1]);
  });

  it("has one line per policy, with its metric, its target, and an alarm that has an effect", () => {
    const scaling: ScalingStatus = {
      desired: 3,
      min: 1,
      max: 5,
      policies: [
        { name: "a", metric: "connections per task", value: 12.449, target: 5, high: "alarm", low: "ok" },
        { name: "b", metric: "requests per target", value: 0, target: 5, high: "ok", low: "alarm" },
        { name: "c", metric: "CPU", value: undefined, target: 60, high: "ok", low: "insufficient-data" },
      ],
    };
    const unpainted = (_tone: string, text: string): string => text;
    const [connections, requests, cpu] = policyTable(scaling, unpainted);
    assert.equal(connections, "  connections per task  12.4 / 5  ALARM");
    assert.equal(requests, "  requests per target   0 / 5     low");
    assert.equal(cpu, "  CPU                   – / 60%");
    assert.equal(policyTable({ ...scaling, desired: 1 }, unpainted)[1], "  requests per target   0 / 5");
  });

  it("has a table with fewer columns in a narrow terminal", () => {
    const tasks: readonly TaskStatus[] = [
      {
        id: "task-1",
        pid: 4242,
        port: 40_001,
        metricsPort: undefined,
        revision: 1,
        health: "healthy",
        open: 12,
        requests: 345,
      },
      {
        id: "task-2",
        pid: 4243,
        port: undefined,
        metricsPort: undefined,
        revision: 1,
        health: "starting",
        open: 0,
        requests: 0,
      },
    ];
    assert.deepEqual(
      taskTable(tasks, 80, (_tone, text) => text),
      [
        "  task    pid   port   health    open  requests",
        "  task-1  4242  40001  healthy   12    345",
        "  task-2  4243         starting  0     0",
      ],
    );
    const [first, second] = tasks;
    assert.ok(first && second);
    assert.deepEqual(
      taskTable([first, { ...second, revision: 2 }], 80, (_tone, text) => text),
      [
        "  task    rev  pid   port   health    open  requests",
        "  task-1  1    4242  40001  healthy   12    345",
        "  task-2  2    4243         starting  0     0",
      ],
    );
    const narrow = taskTable(tasks, 40, (_tone, text) => text);
    assert.equal(narrow[1], "  task-1  healthy   12    345");
    assert.ok(narrow.every((line) => line.length <= 40));
  });
});
