import { readEmbeddedMetrics } from "../../model/metrics/embeddedMetrics.ts";
import type { TaskMetrics } from "../../model/metrics/taskMetrics.ts";
import type { TaskMeter } from "../tasks/task.ts";

/** Adds what the running tasks report to the metrics of the current minute. */
export function meterFor(metrics: TaskMetrics): TaskMeter {
  return {
    onMetrics(id, line) {
      metrics.addLine(id, readEmbeddedMetrics(line));
    },
    onCpuTime(id, microseconds, atMs) {
      metrics.addCpuTime(id, { microseconds, atMs });
    },
  };
}
