/**
 * The tasks of a service and their connections, in virtual time. Counts of connections are fractions, because they are expected
 * values: 10 new connections in a minute are 1.67 in 10 seconds.
 */
import type { Algorithm } from "../local/model/loadBalancer/targetGroup.ts";

export interface TaskTimes {
  /** From the start of a task until the load balancer sends requests to it. */
  readonly startSeconds: number;
  /** From the deregistration of a task until it begins to close its connections. */
  readonly deregistrationSeconds: number;
  /** Time in which a stopping task closes its connections, one after the other. */
  readonly closingSeconds: number;
}

export interface TaskLimits {
  readonly algorithm: Algorithm;
  /** Connections above this number are refused. */
  readonly maxConnections: number;
}

interface Task {
  state: "starting" | "active" | "stopping";
  /** Seconds in this state. */
  seconds: number;
  connections: number;
}

export class SimulatedTasks {
  readonly #times: TaskTimes;
  readonly #limits: TaskLimits;
  /** Oldest first. */
  #tasks: Task[] = [];
  /** Time for which AWS charges, of all tasks together. */
  taskSeconds = 0;

  /** @param count of tasks that are active from the beginning, and share the connections evenly. */
  constructor(times: TaskTimes, limits: TaskLimits, count: number, connections: number) {
    this.#times = times;
    this.#limits = limits;
    for (let task = 0; task < count; task++) {
      this.#tasks.push({ state: "active", seconds: 0, connections: connections / count });
    }
  }

  /** Tasks to which the load balancer sends requests. */
  get active(): number {
    return this.#in("active").length;
  }

  /** Connections of each task that reports its metrics, the stopping ones included. */
  get connections(): readonly number[] {
    return this.#tasks.filter(({ state }) => state !== "starting").map(({ connections }) => connections);
  }

  /** Starts tasks, or stops the newest ones. */
  setDesired(count: number): void {
    const current = this.#tasks.filter(({ state }) => state !== "stopping");
    for (let task = current.length; task < count; task++) {
      this.#tasks.push({ state: "starting", seconds: 0, connections: 0 });
    }
    const surplus = current.slice(count);
    this.#tasks = this.#tasks.filter((task) => task.state !== "starting" || !surplus.includes(task));
    for (const task of surplus) Object.assign(task, { state: "stopping", seconds: 0 });
  }

  /** @returns connections that stopping tasks have closed in this time. */
  advance(seconds: number): number {
    const { startSeconds, deregistrationSeconds, closingSeconds } = this.#times;
    let closed = 0;
    for (const task of this.#tasks) {
      this.taskSeconds += seconds;
      task.seconds += seconds;
      if (task.state === "starting" && task.seconds >= startSeconds) task.state = "active";
      if (task.state !== "stopping") continue;
      const before = Math.max(0, task.seconds - seconds - deregistrationSeconds);
      const after = Math.min(closingSeconds, task.seconds - deregistrationSeconds);
      if (after < 0) continue;
      const share = before >= closingSeconds ? 1 : (after - before) / (closingSeconds - before);
      closed += task.connections * share;
      task.connections *= 1 - share;
    }
    this.#tasks = this.#tasks.filter(
      ({ state, seconds: elapsed }) =>
        state !== "stopping" || elapsed < deregistrationSeconds + closingSeconds,
    );
    return closed;
  }

  /** Ends connections, of each task in proportion to its number. */
  disconnect(count: number): void {
    const total = this.#tasks.reduce((sum, { connections }) => sum + connections, 0);
    if (total === 0) return;
    const remaining = Math.max(0, 1 - count / total);
    for (const task of this.#tasks) task.connections *= remaining;
  }

  /** @returns connections that no task accepted. */
  connect(count: number): number {
    const active = this.#in("active");
    if (this.#limits.algorithm === "least_outstanding_requests") return this.#connectToFewest(active, count);
    // The load balancer does not choose another task if one refuses a connection.
    let refused = active.length === 0 ? count : 0;
    for (const task of active) {
      const accepted = Math.min(count / active.length, this.#roomOf(task));
      task.connections += accepted;
      refused += count / active.length - accepted;
    }
    return refused;
  }

  /** Raises the tasks with the fewest connections to one level, until the connections are spread or all tasks are full. */
  #connectToFewest(active: readonly Task[], count: number): number {
    const { maxConnections } = this.#limits;
    const tasks = active.toSorted((a, b) => a.connections - b.connections);
    let total = count;
    for (const [at, { connections }] of tasks.entries()) {
      total += connections;
      const level = total / (at + 1);
      const limit = Math.min(tasks[at + 1]?.connections ?? Infinity, maxConnections);
      if (level > limit) continue;
      for (const lowest of tasks.slice(0, at + 1)) lowest.connections = level;
      return 0;
    }
    for (const task of tasks) task.connections = maxConnections;
    return total - tasks.length * maxConnections;
  }

  #in(state: Task["state"]): readonly Task[] {
    return this.#tasks.filter((task) => task.state === state);
  }

  #roomOf({ connections }: Task): number {
    return Math.max(0, this.#limits.maxConnections - connections);
  }
}
