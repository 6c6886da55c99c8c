/** What the tasks reported in the current minute, from which the data points of CloudWatch follow. */
import { isSameMetric, type MetricDatum, type MetricIdentity } from "./embeddedMetrics.ts";

/** CPU time of a process since its start. */
export interface CpuReading {
  readonly microseconds: number;
  /** Time of a clock of the process. */
  readonly atMs: number;
}

/** The data of one minute. */
export interface MinuteOfTasks {
  /** Number of tasks that are part of the metrics. */
  readonly tasks: number;
  /** The average over the values of all tasks. `undefined` if no task reported the metric. */
  average(metric: MetricIdentity): number | undefined;
  /** The average over the tasks in percent of their CPU units. `undefined` if no task reported its CPU time. */
  cpuPercent(cpuUnits: number): number | undefined;
}

export interface TaskMetrics {
  /** Adds a line of the log. */
  addLine(id: string, data: readonly MetricDatum[]): void;
  addCpuTime(id: string, reading: CpuReading): void;
  /**
   * Returns the data since the last call. A task that reported in the minute before, but not in this one, counts once more with its last
   * report: its interval can be as long as the minute, and a report can be late.
   */
  endMinute(): MinuteOfTasks;
}

/** Values of one kind that one task reports in one minute. More are left out; a task reports at most one in a second. */
const MAX_REPORTS = 120;

/** CPU units of one vCPU. One core of this machine counts as one vCPU. */
const UNITS_PER_VCPU = 1024;

/** The reports of one kind of one task. */
class Reports<T> {
  #current: T[] = [];
  #last: readonly T[] = [];

  add(report: T): void {
    if (this.#current.length < MAX_REPORTS) this.#current.push(report);
  }

  /** Returns the reports of the minute, or the last one of the minute before. */
  endMinute(): readonly T[] {
    const reports = this.#current.length > 0 ? this.#current : this.#last;
    this.#last = this.#current.slice(-1);
    this.#current = [];
    return reports;
  }
}

class Task {
  readonly lines = new Reports<readonly MetricDatum[]>();
  /** Cores that the task has used on average between two readings. */
  readonly cores = new Reports<number>();
  /** Whether a report has arrived in the current minute. */
  hasReported = false;
  #reading: CpuReading | undefined;

  addCpuTime(reading: CpuReading): void {
    const before = this.#reading;
    this.#reading = reading;
    this.hasReported = true;
    if (before === undefined || reading.atMs <= before.atMs) return;
    this.cores.add((reading.microseconds - before.microseconds) / 1000 / (reading.atMs - before.atMs));
  }
}

export function createTaskMetrics(): TaskMetrics {
  const tasks = new Map<string, Task>();

  function taskOf(id: string): Task {
    const task = tasks.get(id) ?? new Task();
    tasks.set(id, task);
    return task;
  }

  return {
    addLine(id, data) {
      const task = taskOf(id);
      task.lines.add(data);
      task.hasReported = true;
    },
    addCpuTime(id, reading) {
      taskOf(id).addCpuTime(reading);
    },
    endMinute() {
      const lines: (readonly MetricDatum[])[] = [];
      const cores: number[] = [];
      let count = 0;
      for (const [id, task] of tasks) {
        const [linesOfTask, coresOfTask] = [task.lines.endMinute(), task.cores.endMinute()];
        if (!task.hasReported) tasks.delete(id);
        task.hasReported = false;
        if (linesOfTask.length > 0) count += 1;
        lines.push(...linesOfTask);
        if (coresOfTask.length > 0) cores.push(averageOf(coresOfTask));
      }
      return {
        // Without lines, because their interval is 0, the tasks still report their CPU time.
        tasks: count > 0 ? count : cores.length,
        average(metric) {
          const values = lines.flatMap((data) =>
            data.filter((datum) => isSameMetric(datum, metric)).map(({ value }) => value),
          );
          return values.length > 0 ? averageOf(values) : undefined;
        },
        cpuPercent(cpuUnits) {
          return cores.length > 0 ? (averageOf(cores) / (cpuUnits / UNITS_PER_VCPU)) * 100 : undefined;
        },
      };
    },
  };
}

function averageOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
