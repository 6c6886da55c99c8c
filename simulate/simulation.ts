/** Runs the autoscaler of a declared stack against a load, in virtual time. */
import { initialScaling, stepScaling } from "../local/model/scaling/autoscaler.ts";
import type { ScalingMetric } from "../local/model/scaling/status.ts";
import { cpuOf } from "./cpu.ts";
import type { Load, LoadMinute } from "./load/load.ts";
import { connectionsPerTask, type SimulatedStack } from "./stack.ts";
import { SimulatedTasks } from "./tasks.ts";

const MINUTE_SECONDS = 60;
/** Short enough for the start of a task, and a divisor of a minute. */
const STEP_SECONDS = 10;
const STEPS = MINUTE_SECONDS / STEP_SECONDS;

/** A refused client tries again after this time: near the maximum wait of the project's client, 30 seconds. */
const RETRY_SECONDS = 30;

/** The first minute: a Monday, because schedules have days of the week. */
export const START = Date.UTC(2026, 5, 1);

/** The service at the end of a minute. */
export interface SimulatedMinute {
  /** From 0. */
  readonly minute: number;
  readonly desired: number;
  /** Tasks to which the load balancer sends requests. */
  readonly tasks: number;
  readonly connections: number;
  /** Average of the tasks, as the metric has it. */
  readonly connectionsPerTask: number;
  /** Connections of the task that has the most. */
  readonly busiest: number;
  /** Attempts of this minute that no task accepted. */
  readonly refused: number;
  /** Clients that wait for their next attempt. */
  readonly waiting: number;
  /** Attempts of this minute. */
  readonly upgrades: number;
  readonly messages: number;
  /** Average of the tasks. */
  readonly cpuPercent: number;
  /** Whether the clients need more CPU than the tasks have. */
  readonly isOverloaded: boolean;
  /** Why the desired count changed. */
  readonly reason: string | undefined;
}

export interface Simulation {
  readonly minutes: readonly SimulatedMinute[];
  /** Time for which AWS charges, of all tasks together. */
  readonly taskHours: number;
}

export function simulate(stack: SimulatedStack, load: Load): Simulation {
  const { scaling } = stack;
  const initial = initialTasks(stack, load.initialConnections);
  const tasks = new SimulatedTasks(stack.times, stack.limits, initial, load.initialConnections);
  const clients = new WaitingClients();
  let state = initialScaling(scaling, START);
  let desired = initial;

  const minutes = load.minutes.map((offered, minute): SimulatedMinute => {
    const { upgrades, refused } = runMinute(tasks, clients, offered);
    const { active, connections } = tasks;
    const total = connections.reduce((sum, each) => sum + each, 0);
    const average = connections.length === 0 ? 0 : total / connections.length;
    const { messages } = offered;
    const cpu = cpuOf(stack.cpu, active, { upgrades, connections: total, messages });
    const values: Readonly<Record<ScalingMetric, number | undefined>> = {
      "connections per task": connections.length === 0 ? undefined : average,
      // The load balancer reports 0 if it has no requests.
      "requests per target": active === 0 ? 0 : upgrades / active,
      CPU: active === 0 ? undefined : cpu.percent,
    };
    const step = stepScaling(scaling, state, {
      at: START + (minute + 1) * MINUTE_SECONDS * 1000,
      desired,
      // Stopping tasks are part of the averages until they end.
      running: connections.length,
      datapoints: new Map(scaling.policies.map(({ name, metric }) => [name, values[metric]])),
      isDeploying: false,
    });
    ({ state } = step);
    ({ desired } = step.status);
    tasks.setDesired(desired);
    return {
      minute,
      desired,
      tasks: active,
      connections: total,
      connectionsPerTask: average,
      busiest: Math.max(0, ...connections),
      refused,
      waiting: clients.count,
      upgrades,
      messages,
      cpuPercent: cpu.percent,
      isOverloaded: cpu.isOverloaded,
      reason: step.reason,
    };
  });
  return { minutes, taskHours: tasks.taskSeconds / 3600 };
}

function runMinute(
  tasks: SimulatedTasks,
  clients: WaitingClients,
  { connects, disconnects }: LoadMinute,
): { readonly upgrades: number; readonly refused: number } {
  let upgrades = 0;
  let refused = 0;
  for (let step = 0; step < STEPS; step++) {
    const moved = tasks.advance(STEP_SECONDS);
    const connected = tasks.connections.reduce((sum, each) => sum + each, 0);
    tasks.disconnect(clients.leave(disconnects / STEPS, connected));
    const attempts = connects / STEPS + moved + clients.takeDue();
    const rejected = tasks.connect(attempts);
    clients.add(rejected);
    upgrades += attempts;
    refused += rejected;
  }
  return { upgrades, refused };
}

/** Refused clients, by the step in which they try again. */
class WaitingClients {
  #queue: number[] = new Array<number>(RETRY_SECONDS / STEP_SECONDS).fill(0);

  get count(): number {
    return this.#queue.reduce((sum, each) => sum + each, 0);
  }

  takeDue(): number {
    return this.#queue.shift() ?? 0;
  }

  add(count: number): void {
    this.#queue.push(count);
  }

  /**
   * Removes the share of the leaving clients that wait.
   * @returns the others, which are connected.
   */
  leave(count: number, connected: number): number {
    const waiting = this.count;
    if (waiting === 0) return count;
    const share = Math.min(1, count / (waiting + connected));
    this.#queue = this.#queue.map((each) => each * (1 - share));
    return connected * share;
  }
}

/** The tasks that are declared for these connections. */
function initialTasks(stack: SimulatedStack, connections: number): number {
  const { min, max } = stack.scaling;
  return Math.min(max, Math.max(min, Math.ceil(connections / connectionsPerTask(stack))));
}
