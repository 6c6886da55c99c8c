/** What the tasks reported in the current minute, from which the data points of CloudWatch follow. */
import { isSameMetric, type MetricDatum, type MetricIdentity } from "./embeddedMetrics.ts";

/** A statistic of the values of one minute. */
export type Statistic = "Average" | "Maximum" | "Minimum" | "Sum" | "SampleCount";

/** Lines of one task in one minute. More are left out; the server writes at most one in a second. */
const MAX_LINES_PER_MINUTE = 120;

/**
 * Tasks report their CPU time every second, and may be late. A task counts with its last line in a minute without one, because the
 * interval of the lines can be as long as a minute; but not after it has ended, or if its process is stopped.
 */
const MAX_SILENCE_MS = 2000;

/** CPU units of one vCPU. One core of this machine counts as one vCPU. */
const UNITS_PER_VCPU = 1024;

interface CpuReading {
  /** CPU time since the start of the process. */
  readonly microseconds: number;
  /** Time of a clock of the process. */
  readonly atMs: number;
}

interface Task {
  /** The lines of the current minute. */
  lines: (readonly MetricDatum[])[];
  /** The last line before, for a minute without one. */
  lastLine: readonly MetricDatum[];
  /** The last CPU reading before the current minute. */
  cpuBefore: CpuReading | undefined;
  cpu: CpuReading | undefined;
  /** The share of a core in the last minute with two readings. */
  cores: number | undefined;
  /** When the task has reported last. */
  reportedAtMs: number;
}

/** The data of one minute. */
export interface MinuteOfTasks {
  /** `undefined` if no task reported the metric. */
  statisticOf(metric: MetricIdentity, statistic: Statistic): number | undefined;
  /** The average over the tasks in percent of their CPU units. `undefined` if no task reported its CPU time. */
  cpuPercent(cpuUnits: number): number | undefined;
}

export interface TaskMetrics {
  addLine(id: string, data: readonly MetricDatum[], nowMs: number): void;
  addCpuTime(id: string, reading: CpuReading, nowMs: number): void;
  /** Returns the data since the last call. */
  endMinute(nowMs: number): MinuteOfTasks;
}

export function createTaskMetrics(): TaskMetrics {
  const tasks = new Map<string, Task>();

  function taskOf(id: string, nowMs: number): Task {
    const task = tasks.get(id) ?? {
      lines: [],
      lastLine: [],
      cpuBefore: undefined,
      cpu: undefined,
      cores: undefined,
      reportedAtMs: nowMs,
    };
    task.reportedAtMs = nowMs;
    tasks.set(id, task);
    return task;
  }

  return {
    addLine(id, data, nowMs) {
      const task = taskOf(id, nowMs);
      if (task.lines.length < MAX_LINES_PER_MINUTE) task.lines.push(data);
    },
    addCpuTime(id, reading, nowMs) {
      const task = taskOf(id, nowMs);
      task.cpuBefore ??= reading;
      task.cpu = reading;
    },
    endMinute(nowMs) {
      const lines: (readonly MetricDatum[])[] = [];
      const cores: number[] = [];
      for (const [id, task] of tasks) {
        if (nowMs - task.reportedAtMs > MAX_SILENCE_MS && task.lines.length === 0) {
          tasks.delete(id);
          continue;
        }
        lines.push(...(task.lines.length > 0 ? task.lines : [task.lastLine]));
        task.lastLine = task.lines.at(-1) ?? task.lastLine;
        task.lines = [];
        task.cores = coresBetween(task.cpuBefore, task.cpu) ?? task.cores;
        task.cpuBefore = task.cpu;
        if (task.cores !== undefined) cores.push(task.cores);
      }
      return {
        statisticOf(metric, statistic) {
          const values = lines.flatMap((data) =>
            data.filter((datum) => isSameMetric(datum, metric)).map(({ value }) => value),
          );
          return values.length === 0 ? undefined : apply(statistic, values);
        },
        cpuPercent(cpuUnits) {
          if (cores.length === 0) return undefined;
          return (apply("Average", cores) / (cpuUnits / UNITS_PER_VCPU)) * 100;
        },
      };
    },
  };
}

/** `undefined` if no time lies between the readings. */
function coresBetween(before: CpuReading | undefined, after: CpuReading | undefined): number | undefined {
  if (before === undefined || after === undefined || after.atMs <= before.atMs) return undefined;
  return (after.microseconds - before.microseconds) / 1000 / (after.atMs - before.atMs);
}

function apply(statistic: Statistic, values: readonly number[]): number {
  switch (statistic) {
    case "Average":
      return apply("Sum", values) / values.length;
    case "Maximum":
      return Math.max(...values);
    case "Minimum":
      return Math.min(...values);
    case "Sum":
      return values.reduce((sum, value) => sum + value, 0);
    case "SampleCount":
      return values.length;
  }
}
