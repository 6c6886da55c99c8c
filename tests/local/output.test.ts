import assert from "node:assert/strict";
import type { StackEvent } from "../../local/events.ts";
import { jsonOutput } from "../../local/output/json.ts";
import { linesOutput } from "../../local/output/lines.ts";
import { taskTable } from "../../local/output/live.ts";
import type { TaskStatus } from "../../local/tasks.ts";

const EVENTS: readonly StackEvent[] = [
  { event: "task-started", id: "task-1", pid: 42 },
  { event: "task-output", id: "task-1", line: "hello" },
  {
    event: "task-stopped",
    id: "task-1",
    pid: 42,
    code: 3,
    signal: null,
    expected: false,
    output: ["no disk"],
  },
  {
    event: "ready",
    urls: {
      websocket: "wss://localhost:1/wss",
      page: "https://localhost:1/p",
      loadBalancer: "http://localhost:2",
    },
    seconds: 1.26,
  },
];

class Text {
  text = "";

  write(text: string): void {
    this.text += text;
  }
}

describe("local output", () => {
  it("is one JSON object per line, with the event and the time", () => {
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
      ["task-started", "task-stopped", "ready", "failed"],
    );
    assert.ok(entries.every(({ time }) => !Number.isNaN(Date.parse(time))));
  });

  it("is readable lines without a terminal, failures apart", () => {
    const stream = new Text();
    const errors = new Text();
    const output = linesOutput(stream, errors, { verbose: true });
    for (const event of EVENTS) output.event(event);
    output.failed("broken");
    assert.deepEqual(stream.text.trimEnd().split("\n"), [
      "task-1   started, pid 42",
      "task-1   | hello",
      "task-1   ended with exit code 3",
      "task-1   | no disk",
      "ready after 1.3 s",
      "  wss://localhost:1/wss",
      "  https://localhost:1/p",
      "  http://localhost:2  behind the edge",
      "  try npx wscat --no-check -c wss://localhost:1/wss",
    ]);
    assert.equal(errors.text, "broken\n");
  });

  it("draws a table that leaves columns out where the terminal is narrow", () => {
    const tasks: readonly TaskStatus[] = [
      { id: "task-1", pid: 4242, port: 40_001, health: "healthy", open: 12, requests: 345 },
      { id: "task-2", pid: 4243, port: undefined, health: "starting", open: 0, requests: 0 },
    ];
    assert.deepEqual(
      taskTable(tasks, 80, (_tone, text) => text),
      [
        "  task    pid   port   health    open  requests",
        "  task-1  4242  40001  healthy   12    345",
        "  task-2  4243         starting  0     0",
      ],
    );
    const narrow = taskTable(tasks, 40, (_tone, text) => text);
    assert.equal(narrow[1], "  task-1  healthy   12    345");
    assert.ok(narrow.every((line) => line.length <= 40));
  });
});
