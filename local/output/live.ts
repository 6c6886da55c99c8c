/** The output for terminals: events scroll, and the state of the stack stays at the bottom. */
import { createLogUpdate } from "log-update";
import { type Paint, paintFor, type Tone } from "../../cli/paint.ts";
import type { ObservedStack, TaskStatus } from "../events.ts";
import type { Output } from "./output.ts";
import { shortenRepeatedOutput } from "./repeatedOutput.ts";
import { policyTable } from "./scaling.ts";
import { describeDashboard, describeEvent, describeStopping, describeUrls, wrapWords } from "./text.ts";

const REFRESH_MS = 250;
/** Narrower terminals do not show the columns for debugging. */
const MIN_FULL_WIDTH = 60;
const DEFAULT_COLUMNS = 80;

const HEALTH_TONES = {
  starting: "dim",
  healthy: "good",
  unhealthy: "bad",
  stopping: "warn",
} as const satisfies Record<TaskStatus["health"], Tone>;

/** The table shows these events. */
const TABLE_EVENTS = new Set(["task-started", "task-listening", "task-healthy"]);

export interface LiveOptions {
  readonly verbose: boolean;
  /** Whether keys apply faults. */
  readonly hasKeys: boolean;
}

export function liveOutput(stream: NodeJS.WriteStream, { verbose, hasKeys }: LiveOptions): Output {
  const paint = paintFor(stream);
  const screen = createLogUpdate(stream);
  const shorten = shortenRepeatedOutput();
  let stack: ObservedStack | undefined;
  let isReady = false;
  let dashboard: readonly string[] = [];
  let note = "starting";
  let height = 0;
  let timer: NodeJS.Timeout | undefined;

  // A terminal can be resized at any time.
  const width = (): number => stream.columns || DEFAULT_COLUMNS;

  /** log-update does not wrap at word boundaries. */
  function wrapped(...texts: readonly string[]): readonly string[] {
    return texts.flatMap((text) => text.split("\n")).flatMap((line) => wrapWords(line, width()));
  }

  function draw(): void {
    if (stack === undefined) return;
    const urls = isReady ? ["", ...describeUrls(stack, paint), ...dashboard] : [];
    const tasks = stack.status();
    const scaling = stack.scaling();
    const lines = [
      ...urls,
      ...(tasks.length > 0 ? ["", ...taskTable(tasks, width(), paint)] : []),
      ...(scaling === undefined ? [] : ["", ...policyTable(scaling, paint)]),
      "",
      ...wrapped(paint("dim", note)),
    ];
    // log-update redraws changed lines only, and does not move those below an inserted line.
    if (lines.length !== height) screen.clear();
    height = lines.length;
    screen(lines.join("\n"));
  }

  return {
    event(event) {
      if (event.event === "ready") {
        isReady = true;
        note = `ready after ${event.seconds.toFixed(1)} s; ${hasKeys ? "? lists the keys, " : ""}Ctrl-C stops everything`;
      } else if (event.event === "dashboard-started") {
        dashboard = [describeDashboard(event.url, paint)];
      } else if (event.event === "stopping") {
        note = describeStopping(event);
      } else if (!TABLE_EVENTS.has(event.event)) {
        const lines = describeEvent(shorten(event), paint, verbose);
        if (lines.length > 0) screen.persist(wrapped(...lines).join("\n"));
      }
      draw();
    },
    watch(running) {
      stack = running;
      timer = setInterval(draw, REFRESH_MS);
      draw();
    },
    print(lines) {
      screen.persist(wrapped(...lines).join("\n"));
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

/** Without a second deployment, it would have one value. */
const REVISION_COLUMN: Column = ["rev", ({ revision }) => String(revision)];

const DEBUGGING_COLUMNS: readonly Column[] = [
  ["pid", ({ pid }) => String(pid ?? "")],
  ["port", ({ port }) => String(port ?? "")],
];

/** Formats one row per task, for a terminal of the given width. */
export function taskTable(tasks: readonly TaskStatus[], width: number, paint: Paint): readonly string[] {
  const columns: readonly Column[] = [
    ["task", ({ id }) => id],
    ...(tasks.some(({ revision }) => revision > 1) ? [REVISION_COLUMN] : []),
    ...(width < MIN_FULL_WIDTH ? [] : DEBUGGING_COLUMNS),
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
