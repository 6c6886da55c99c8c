/** The service at work: it keeps the desired number of tasks running. */
import type { Emit, TaskStatus } from "../../events.ts";
import type { Service } from "../../model/service.ts";
import { startTask, type Task } from "./task.ts";
import type { Targets } from "./targets.ts";

/** A task that ends before it was healthy is restarted later and later, as the ECS scheduler does. */
const BACK_OFF = { firstMs: 1000, maxMs: 30_000 } as const;

export interface TasksOptions {
  readonly service: Service;
  readonly targets: Targets;
  /** The server's source file. */
  readonly entry: string;
  readonly baseEnvironment: Readonly<Record<string, string>>;
  readonly emit: Emit;
}

export interface Tasks {
  /** Resolves when the desired number is healthy; rejects where the circuit breaker gave up before that. */
  readonly ready: Promise<void>;
  status(): readonly TaskStatus[];
  /** Stops every task, without the deregistration delay. Idempotent. */
  close(): Promise<void>;
  /** SIGKILL to every task. */
  kill(): void;
}

/** Pause before the next start, in milliseconds, after so many tasks in a row that ended unhealthy. */
export function restartDelayMs(failures: number): number {
  return failures === 0 ? 0 : Math.min(BACK_OFF.firstMs * 2 ** (failures - 1), BACK_OFF.maxMs);
}

export function startTasks({ service, targets, entry, baseEnvironment, emit }: TasksOptions): Tasks {
  const tasks = new Map<Task, { wasHealthy: boolean; stopping: boolean }>();
  const timers = new Set<NodeJS.Timeout>();
  const ready = Promise.withResolvers<undefined>();
  let started = 0;
  let failures = 0;
  let closing: Promise<void> | undefined;

  function later(delayMs: number, run: () => void): void {
    const timer = setTimeout(() => {
      timers.delete(timer);
      if (closing === undefined) run();
    }, delayMs);
    timers.add(timer);
  }

  function start(): void {
    const id = `task-${++started}`;
    const state = { wasHealthy: false, stopping: false };
    const startedAt = performance.now();
    const task = startTask({
      id,
      container: service.container,
      targets,
      entry,
      baseEnvironment,
      onOutput: (line) => {
        emit({ event: "task-output", id, line });
      },
      onListening: (port) => {
        emit({ event: "task-listening", ...identity(task), port });
      },
      onHealth: (health, reason) => {
        if (health === "healthy") {
          state.wasHealthy = true;
          failures = 0;
          emit({
            event: "task-healthy",
            ...identity(task),
            port: task.registration?.target.port ?? 0,
          });
          if (healthy() >= service.desiredCount) ready.resolve(undefined);
        } else if (health === "unhealthy") {
          emit({ event: "task-unhealthy", ...identity(task), reason });
          const grace = service.healthCheckGraceSeconds * 1000 - (performance.now() - startedAt);
          later(Math.max(0, grace), () => {
            if (task.health === "unhealthy") replace(task);
          });
        }
      },
    });
    tasks.set(task, state);
    if (task.pid !== undefined) emit({ event: "task-started", id, pid: task.pid });
    void task.ended.then(({ code, signal, output }) => {
      tasks.delete(task);
      const expected = state.stopping || closing !== undefined;
      emit({
        event: "task-stopped",
        id,
        pid: task.pid,
        code,
        signal,
        expected,
        // A task that was killed had no chance to say why.
        output: expected || signal === "SIGKILL" ? [] : output,
      });
      if (!expected) restart(id, state.wasHealthy);
    });
  }

  function countFailure(wasHealthy: boolean): void {
    failures = wasHealthy ? 0 : failures + 1;
    if (failures >= service.circuitBreakerThreshold) {
      ready.reject(
        new Error(
          `${service.name}: ${failures} tasks in a row ended before they were healthy, ` +
            "so the declared deployment circuit breaker gives up.",
        ),
      );
    }
  }

  function restart(id: string, wasHealthy: boolean): void {
    countFailure(wasHealthy);
    const afterMs = restartDelayMs(failures);
    if (afterMs > 0) emit({ event: "task-restarting", id, afterMs });
    later(afterMs, start);
  }

  /** Where the declared percentages allow it, the successor starts before the task stops. */
  function replace(task: Task): void {
    const state = tasks.get(task);
    if (state === undefined || state.stopping) return;
    state.stopping = true;
    countFailure(state.wasHealthy);
    if (service.successorFirst) start();
    void task.stop().then(() => {
      if (!service.successorFirst && closing === undefined) start();
    });
  }

  function healthy(): number {
    return [...tasks.keys()].filter(({ health }) => health === "healthy").length;
  }

  async function close(): Promise<void> {
    for (const timer of timers) clearTimeout(timer);
    await Promise.all([...tasks.keys()].map((task) => task.stop({ skipDelay: true })));
  }

  // Whoever waits for it hears of a failure; nobody has to.
  ready.promise.catch(() => undefined);
  for (let n = 0; n < service.desiredCount; n++) start();

  return {
    ready: ready.promise,
    status() {
      return [...tasks].map(([task, state]) => {
        const target = task.registration?.target;
        const alive = task.health === "initial" ? "starting" : task.health;
        return {
          id: task.id,
          pid: task.pid,
          port: target?.port,
          health: state.stopping || closing !== undefined ? "stopping" : alive,
          open: target?.outstanding ?? 0,
          requests: target?.requests ?? 0,
        };
      });
    },
    close() {
      closing ??= close();
      return closing;
    },
    kill() {
      for (const task of tasks.keys()) task.kill();
    },
  };
}

function identity({ id, pid = 0 }: Task): { readonly id: string; readonly pid: number } {
  return { id, pid };
}
