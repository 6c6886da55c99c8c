/** Messages per second of all tasks, from the counters that they serve for Prometheus. */
import { metricDefinitions } from "../../app/src/settings/metricDefinitions.ts";
import { LOOPBACK } from "../../cli/loopback.ts";
import type { TaskStatus } from "../events.ts";

const METRICS_PATH = "/metrics";
const REQUEST_TIMEOUT_MS = 500;
/** The answer of a task has about 10 KB. */
const MAX_ANSWER_LENGTH = 256 * 1024;

/** Per second; `null` before the second reading, or if no task serves its metrics. */
export interface MessageRates {
  readonly published: number | null;
  readonly delivered: number | null;
}

interface Counters {
  readonly published: number;
  readonly delivered: number;
}

export interface Reading {
  readonly timeMs: number;
  /** By the id of the task. */
  readonly tasks: ReadonlyMap<string, Counters>;
}

export const NO_RATES: MessageRates = { published: null, delivered: null };

/** The sum over the tasks that are in both readings. A task that has started or ended between them does not count. */
export function ratesBetween(before: Reading, after: Reading): MessageRates {
  const seconds = (after.timeMs - before.timeMs) / 1000;
  const pairs = [...after.tasks].flatMap(([id, current]) => {
    const earlier = before.tasks.get(id);
    return earlier === undefined ? [] : [{ earlier, current }];
  });
  if (seconds <= 0 || pairs.length === 0) return NO_RATES;
  const rateOf = (name: keyof Counters): number =>
    pairs.reduce((sum, { earlier, current }) => sum + current[name] - earlier[name], 0) / seconds;
  return { published: rateOf("published"), delivered: rateOf("delivered") };
}

/** @returns `undefined` if a counter is missing in the text. */
export function parseCounters(text: string): Counters | undefined {
  const valueOf = (name: string): number | undefined => {
    const [, value] = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "m").exec(text) ?? [];
    return value === undefined ? undefined : Number(value);
  };
  const published = valueOf(metricDefinitions.published.name);
  const delivered = valueOf(metricDefinitions.deliveries.name);
  return published === undefined || delivered === undefined ? undefined : { published, delivered };
}

/** Reads the counters of all tasks. A task that does not answer in time is left out. */
export async function readCounters(tasks: readonly TaskStatus[]): Promise<Reading> {
  const read = await Promise.all(
    tasks.map(async ({ id, metricsPort }) => {
      const counters = metricsPort === undefined ? undefined : await readTask(metricsPort);
      return counters === undefined ? [] : [[id, counters] as const];
    }),
  );
  return { timeMs: performance.now(), tasks: new Map(read.flat()) };
}

async function readTask(port: number): Promise<Counters | undefined> {
  try {
    const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    const response = await fetch(`http://${LOOPBACK}:${port}${METRICS_PATH}`, { signal });
    const text = await response.text();
    return text.length > MAX_ANSWER_LENGTH ? undefined : parseCounters(text);
  } catch {
    // A frozen task does not answer.
    return undefined;
  }
}
