/** The live view of a terminal: what happened scrolls by, how things stand stays at the bottom. */
import { createLogUpdate } from "log-update";
import { type Paint, paintFor, type Tone } from "../../cli/paint.ts";
import type { ObservedStack, TaskStatus } from "../events.ts";
import type { Output } from "./output.ts";
import { describeEvent, describeStopping, describeUrls, wrapWords } from "./text.ts";

const REFRESH_MS = 250;
/** Narrower terminals do without the columns that only a debugger needs. */
const FULL_WIDTH = 60;
const DEFAULT_COLUMNS = 80;

const HEALTH_TONES = {
  starting: "dim",
  healthy: "good",
  unhealthy: "bad",
  stopping: "warn",
} as const satisfies Record<TaskStatus["health"], Tone>;

/** Lines for these would only repeat the table. */
const IN_TABLE = new Set(["task-started", "task-listening", "task-healthy"]);

export function liveOutput(stream: NodeJS.WriteStream, { verbose }: { readonly verbose: boolean }): Output {
  const paint = paintFor(stream);
  const screen = createLogUpdate(stream);
  let stack: ObservedStack | undefined;
  let ready = false;
  let note = "starting";
  let height = 0;
  let timer: NodeJS.Timeout | undefined;

  // Read anew each time: terminals are resized.
  const width = (): number => stream.columns || DEFAULT_COLUMNS;

  /** log-update itself would break words. */
  function wrapped(...texts: readonly string[]): readonly string[] {
    return texts.flatMap((text) => text.split("\n")).flatMap((line) => wrapWords(line, width()));
  }

  function draw(): void {
    if (stack === undefined) return;
    const urls = ready ? ["", ...describeUrls(stack.urls, paint)] : [];
    const tasks = stack.status();
    const lines = [
      ...urls,
      ...(tasks.length > 0 ? ["", ...taskTable(tasks, width(), paint)] : []),
      "",
      ...wrapped(paint("dim", note)),
    ];
    // log-update repaints the lines that changed, and does not move those below an inserted one.
    if (lines.length !== height) screen.clear();
    height = lines.length;
    screen(lines.join("\n"));
  }

  return {
    event(event) {
      if (event.event === "ready") {
        ready = true;
        note = `ready after ${event.seconds.toFixed(1)} s; Ctrl-C stops everything`;
      } else if (event.event === "stopping") {
        note = describeStopping(event);
      } else if (!IN_TABLE.has(event.event)) {
        const lines = describeEvent(event, paint, verbose);
        if (lines.length > 0) screen.persist(wrapped(...lines).join("\n"));
      }
      draw();
    },
    watch(running) {
      stack = running;
      timer = setInterval(draw, REFRESH_MS);
      draw();
    },
    failed(message) {
      screen.persist(wrapped(paint("bad", message)).join("\n"));
    },
    close() {
      clearInterval(timer);
      stack = undefined;
      screen.clear();
      screen.done();
    },
  };
}

type Column = readonly [title: string, cell: (task: TaskStatus) => string];

const DEBUGGING_COLUMNS: readonly Column[] = [
  ["pid", ({ pid }) => String(pid ?? "")],
  ["port", ({ port }) => String(port ?? "")],
];

/** One row per task, as wide as it needs to be and not wider than the terminal. */
export function taskTable(tasks: readonly TaskStatus[], width: number, paint: Paint): readonly string[] {
  const columns: readonly Column[] = [
    ["task", ({ id }) => id],
    ...(width < FULL_WIDTH ? [] : DEBUGGING_COLUMNS),
    ["health", ({ health }) => health],
    ["open", ({ open }) => String(open)],
    ["requests", ({ requests }) => String(requests)],
  ];
  const widths = columns.map(([title, cell]) =>
    Math.max(title.length, ...tasks.map((task) => cell(task).length)),
  );
  const row = (cells: readonly string[]): string =>
    `  ${cells.map((text, index) => text.padEnd(widths[index] ?? 0)).join("  ")}`.trimEnd();
  return [
    paint("dim", row(columns.map(([title]) => title))),
    ...tasks.map((task) =>
      row(columns.map(([, cell]) => cell(task))).replace(task.health, (text) =>
        paint(HEALTH_TONES[task.health], text),
      ),
    ),
  ];
}
