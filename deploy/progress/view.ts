/** How the user sees what the engine does: as a live tree in a terminal, else as one line per event. */
import { createLogUpdate } from "log-update";
import type { Paint } from "../../cli/paint.ts";
import { isInCloud, type Happening, type Progress } from "./progress.ts";
import { CHANGES, describeCounts, duration, nameAndType, plural } from "./text.ts";
import { renderTree, SPINNER_MS } from "./tree.ts";

/** The view of one operation. */
export interface View {
  happened(happening: Happening): void;
  /** A line of ours, such as that the operation is being cancelled. */
  note(text: string): void;
  /** The last picture stays. Idempotent. */
  close(): void;
}

/** What is being watched. */
export interface Subject {
  /** Such as `up dev`. */
  readonly title: string;
  /** A preview: nothing really happens. */
  readonly planned: boolean;
  readonly progress: Progress;
}

export type OpenView = (subject: Subject) => View;

/** Where text goes: a terminal, a pipe, a test. */
export interface TextStream {
  write(text: string): unknown;
}

/** One line per event, for pipes and logs: no colour, nothing that is drawn over. */
export function linesView(stream: TextStream): OpenView {
  return ({ title, planned, progress }) => {
    const say = (text: string): void => {
      stream.write(`${text}\n`);
    };
    say(title);
    return {
      happened(happening) {
        const line = describeHappening(happening, planned);
        if (line !== undefined) say(line);
      },
      note: say,
      close: once(() => {
        say(`${title}: ${describeCounts(progress, planned ? "planned" : "done")}`);
      }),
    };
  };
}

/** @returns `undefined` for what is not worth a line: components, and whatever stays as it is. */
function describeHappening(happening: Happening, planned: boolean): string | undefined {
  switch (happening.kind) {
    case "warning":
      return `  warning: ${about(happening.problem)}`;
    case "error":
      // Told at the end, with the likely fix.
      return undefined;
    case "started":
    case "finished":
    case "failed": {
      const { resource, kind } = happening;
      const { symbol, doing, done } = CHANGES[resource.change];
      if (!isInCloud(resource) || resource.change === "same") return undefined;
      const what = nameAndType(resource);
      const diffs = resource.diffs.length > 0 ? ` [${resource.diffs.join(", ")}]` : "";
      if (planned) return kind === "started" ? `  ${symbol} ${resource.change} ${what}${diffs}` : undefined;
      if (kind === "started") return `  ${symbol} ${doing} ${what}${diffs}`;
      const time = duration((resource.endedAt ?? resource.startedAt) - resource.startedAt);
      return kind === "failed" ? `  ✗ ${what} failed after ${time}` : `  ✓ ${done} ${what} in ${time}`;
    }
  }
}

const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;
/** The title, the note, an empty line, and the cursor's own. */
const OTHER_ROWS = 4;

/** A tree that is drawn anew as it grows; at the end all of it is left on the screen. */
export function liveView(
  stream: NodeJS.WriteStream,
  { paint, nowMs }: { readonly paint: Paint; readonly nowMs: () => number },
): OpenView {
  return ({ title, planned, progress }) => {
    const screen = createLogUpdate(stream);
    const startedAt = nowMs();
    let note = "Ctrl-C cancels";

    function picture(last: boolean): readonly string[] {
      const time = duration(nowMs() - startedAt);
      const counts = describeCounts(progress, planned ? "planned" : "done");
      // Read anew each time: terminals are resized.
      const width = stream.columns || DEFAULT_COLUMNS;
      const height = last ? Infinity : Math.max(1, (stream.rows || DEFAULT_ROWS) - OTHER_ROWS);
      const tree = renderTree(progress, {
        nowMs: nowMs(),
        width,
        height,
        planned,
        ended: last,
        paint,
      });
      const head =
        paint("strong", title) +
        paint("dim", `  ${last ? counts : plural(progress.inCloud.length, "resource")}  ${time}`);
      return [head, ...tree, ...(last ? [] : ["", paint("dim", note)])];
    }

    function draw(): void {
      screen(picture(false).join("\n"));
    }

    const timer = setInterval(draw, SPINNER_MS);
    draw();
    return {
      happened(happening) {
        if (happening.kind === "warning")
          screen.persist(paint("warn", `warning: ${about(happening.problem)}`));
      },
      note(text) {
        note = text;
        draw();
      },
      close: once(() => {
        clearInterval(timer);
        screen.clear();
        screen.done();
        stream.write(`${picture(true).join("\n")}\n`);
      }),
    };
  };
}

function about({ resource, message }: Extract<Happening, { problem: unknown }>["problem"]): string {
  return resource === undefined ? message : `${nameAndType(resource)}: ${message}`;
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    action();
  };
}
