/** The figures of a simulation. */
import { type MonthlyCost, monthlyCost } from "./cost.ts";
import type { Simulation } from "./simulation.ts";
import { connectionsTarget, type SimulatedStack } from "./stack.ts";

/** A simulated stack and its figures. */
export interface Result {
  readonly stack: SimulatedStack;
  readonly simulation: Simulation;
  readonly summary: Summary;
}

export interface Summary {
  readonly minTasks: number;
  readonly maxTasks: number;
  /** Tasks that AWS charges for, on average. */
  readonly averageTasks: number;
  readonly scaleOuts: number;
  readonly scaleIns: number;
  /** The most connections of one task. */
  readonly busiest: number;
  readonly maxCpuPercent: number;
  /** Minutes in which the average of the tasks is above the target; `undefined` if no policy has this metric. */
  readonly minutesAboveTarget: number | undefined;
  /** Minutes in which a task has all connections that it accepts, no task accepts any, or the clients need more CPU. */
  readonly minutesAboveCapacity: number;
  /** Attempts to connect that no task accepted. */
  readonly refused: number;
  /** The most clients without a connection at the same time. */
  readonly maxWaiting: number;
  readonly cost: MonthlyCost;
}

/** Differences below this are errors of the floating point, not connections. */
const NO_CONNECTION = 1e-6;

export function summarize(stack: SimulatedStack, simulation: Simulation): Summary {
  const { minutes, taskHours } = simulation;
  const { maxConnections } = stack.limits;
  const target = connectionsTarget(stack);
  const tasks = minutes.map((minute) => minute.tasks);
  const scaled = minutes.filter(({ reason }) => reason !== undefined);
  const before = (minute: number): number => minutes[minute - 1]?.desired ?? 0;
  const isScaleOut = ({ minute, desired }: (typeof minutes)[number]): boolean => desired > before(minute);
  const isAboveCapacity = ({ busiest, refused, isOverloaded }: (typeof minutes)[number]): boolean =>
    isOverloaded || busiest > maxConnections - NO_CONNECTION || refused > NO_CONNECTION;
  return {
    minTasks: Math.min(...tasks),
    maxTasks: Math.max(...tasks),
    averageTasks: taskHours / (minutes.length / 60),
    scaleOuts: scaled.filter(isScaleOut).length,
    scaleIns: scaled.filter((minute) => !isScaleOut(minute)).length,
    busiest: Math.max(...minutes.map(({ busiest }) => busiest)),
    maxCpuPercent: Math.max(...minutes.map(({ cpuPercent }) => cpuPercent)),
    minutesAboveTarget:
      target === undefined
        ? undefined
        : minutes.filter(({ connectionsPerTask }) => connectionsPerTask > target + NO_CONNECTION).length,
    minutesAboveCapacity: minutes.filter(isAboveCapacity).length,
    refused: minutes.reduce((sum, { refused }) => sum + refused, 0),
    maxWaiting: Math.max(...minutes.map(({ waiting }) => waiting)),
    cost: monthlyCost(stack.deployment, simulation),
  };
}
