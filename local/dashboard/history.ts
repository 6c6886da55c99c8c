/** The recent past of a stack, as the dashboard shows it. */
import { noPaint } from "../../cli/paint.ts";
import type { EventOf, StackEvent, StackUrls } from "../events.ts";
import { describeEvent } from "../output/text.ts";

export const MAX_EVENTS = 50;
/** Data points of a metric, one a minute of the autoscaler. */
const MAX_POINTS = 60;
/** The page shows these parts of the state in other ways. */
const SHOWN_ELSEWHERE = new Set<StackEvent["event"]>([
  "declared",
  "unsupported",
  "metric",
  "task-output",
  "dashboard-started",
]);

export interface PastEvent {
  /** 1 for the first event of the stack. */
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  readonly lines: readonly string[];
}

export interface History {
  /** The newest events, oldest first. */
  readonly events: readonly PastEvent[];
  /** The newest values of each policy's metric, by the name of the policy. */
  readonly metrics: Readonly<Record<string, readonly number[]>>;
  readonly declared: EventOf<"declared"> | undefined;
  /** Present when every task was healthy for the first time. */
  readonly urls: StackUrls | undefined;
  readonly isStopping: boolean;
  readonly add: (event: StackEvent) => void;
}

/** @param nowMs the time in milliseconds since 1970. */
export function createHistory(nowMs: () => number = Date.now): History {
  const events: PastEvent[] = [];
  const metrics: Record<string, number[]> = {};
  let count = 0;
  let declared: EventOf<"declared"> | undefined;
  let urls: StackUrls | undefined;
  let isStopping = false;

  return {
    events,
    metrics,
    get declared() {
      return declared;
    },
    get urls() {
      return urls;
    },
    get isStopping() {
      return isStopping;
    },
    add(event) {
      if (event.event === "declared") declared = event;
      if (event.event === "ready") ({ urls } = event);
      if (event.event === "stopping") isStopping = true;
      if (event.event === "metric") {
        const values = (metrics[event.policy] ??= []);
        values.push(event.value);
        if (values.length > MAX_POINTS) values.shift();
      }
      const lines = SHOWN_ELSEWHERE.has(event.event) ? [] : describeEvent(event, noPaint, false);
      if (lines.length === 0) return;
      // The page shows the addresses, which follow in the other lines.
      const shown = event.event === "ready" ? lines.slice(0, 1) : lines;
      events.push({ number: ++count, timeMs: nowMs(), lines: shown });
      if (events.length > MAX_EVENTS) events.shift();
    },
  };
}
