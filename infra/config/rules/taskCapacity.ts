/** What a task carries. docs/capacity.md has the measurements. */
import type { Settings } from "../../../app/src/settings/settings.ts";
import { connectionsThatFit } from "./connectionMemory.ts";
import type { ConnectionMemory } from "./connectionMemory.ts";

export const CPU_UNITS_PER_VCPU = 1024;

/** CPU time of a ping and its answer, near the measurements of docs/capacity.md. */
export const HEARTBEAT_MICROSECONDS = 20;
const MICROSECONDS = 1e6;

/** A task and the settings that determine what it carries. */
export interface TaskCapacity extends ConnectionMemory {
  /** CPU units of the task. */
  readonly cpu: number;
  readonly settings: ConnectionMemory["settings"] & Pick<Settings, "maxConnections" | "heartbeatSeconds">;
}

/** Returns the maximum number of idle connections of a task, and the key that limits them. */
export function connectionsOf(task: TaskCapacity): {
  readonly most: number;
  readonly limitedBy: "maxConnections" | "memoryMiB" | "heartbeatSeconds";
} {
  const { maxConnections, heartbeatSeconds } = task.settings;
  const usableMicroseconds = (MICROSECONDS * maxCpuShare(task) * task.cpu) / CPU_UNITS_PER_VCPU;
  const byCpu = Math.floor((usableMicroseconds * heartbeatSeconds) / HEARTBEAT_MICROSECONDS);
  const limits = [
    { most: maxConnections, limitedBy: "maxConnections" },
    { most: connectionsThatFit(task), limitedBy: "memoryMiB" },
    { most: byCpu, limitedBy: "heartbeatSeconds" },
  ] as const;
  return limits.reduce((least, limit) => (limit.most < least.most ? limit : least));
}

/** Returns the share of the CPU that the server can use: its JavaScript runs in one thread, so it uses one vCPU of a larger task. */
export function maxCpuShare({ cpu }: Pick<TaskCapacity, "cpu">): number {
  return Math.min(1, CPU_UNITS_PER_VCPU / cpu);
}
