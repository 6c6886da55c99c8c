/** The emulated service: it keeps the desired number of tasks running. */
import type { EmitEvent, TaskStatus } from "../../events.ts";
import type { DeclaredService } from "../../model/service.ts";
import { ExpectedError } from "../../../app/src/settings/expectedError.ts";
import { startTask, type RunningTask, type TaskMeter } from "./task.ts";
import type { Targets } from "./targets.ts";

/** The delay before a restart doubles while tasks end before they are healthy, as in the ECS scheduler. */
const BACKOFF = { firstMs: 1000, maxMs: 30_000 } as const;

export interface TasksOptions {
  readonly service: DeclaredService;
  readonly targets: Targets;
  /** The server's source file. */
  readonly entry: string;
  readonly baseEnvironment: Readonly<Record<string, string>>;
  readonly meter: TaskMeter;
  readonly emit: EmitEvent;
}

interface TaskState {
  wasHealthy: boolean;
  isStopping: boolean;
}

export interface Tasks {
  /** Resolves when the desired number is healthy; rejects if the deployment circuit breaker is triggered before. */
  readonly ready: Promise<void>;
  status(): readonly TaskStatus[];
  /** Stops every task, without the deregistration delay. Idempotent. */
  close(): Promise<void>;
  /** Sends SIGKILL to every task. */
  kill(): void;
}

/** The delay before the next start, in milliseconds. @param failures consecutive tasks that ended before they were healthy. */
export function restartDelayMs(failures: number): number {
  return failures === 0 ? 0 : Math.min(BACKOFF.firstMs * 2 ** (failures - 1), BACKOFF.maxMs);
}

export function startTasks({ service, targets, entry, baseEnvironment, meter, emit }: TasksOptions): Tasks {
  const tasks = new Map<RunningTask, TaskState>();
  const timers = new Set<NodeJS.Timeout>();
  const ready = Promise.withResolvers<undefined>();
  let started = 0;
  let failures = 0;
  let closing: Promise<void> | undefined;

  /** Runs a callback after a delay, unless the service is closed before. */
  function schedule(delayMs: number, run: () => void): void {
    const timer = setTimeout(() => {
      timers.delete(timer);
      if (closing === undefined) run();
    }, delayMs);
    timers.add(timer);
  }

  function start(): void {
    const id = `task-${++started}`;
    const state: TaskState = { wasHealthy: false, isStopping: false };
    const startedAt = performance.now();
    const task = startTask({
      id,
      container: service.container,
      targets,
      entry,
      baseEnvironment,
      meter,
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
          schedule(Math.max(0, grace), () => {
            if (task.health === "unhealthy") replace(task, reason);
          });
        }
      },
    });
    tasks.set(task, state);
    if (task.pid !== undefined) emit({ event: "task-started", id, pid: task.pid });
    void task.ended.then(({ code, signal, output }) => {
      tasks.delete(task);
      const expected = state.isStopping || closing !== undefined;
      emit({
        event: "task-stopped",
        id,
        pid: task.pid,
        code,
        signal,
        expected,
        // The output of a task that was killed does not explain its end.
        output: expected || signal === "SIGKILL" ? [] : output,
      });
      if (!expected) restart(id, state.wasHealthy);
    });
  }

  function countFailure(wasHealthy: boolean): void {
    failures = wasHealthy ? 0 : failures + 1;
    if (failures >= service.circuitBreakerThreshold) {
      ready.reject(
        new ExpectedError(
          `${service.name}: ${failures} consecutive tasks ended before they were healthy, ` +
            "which triggers the deployment circuit breaker.",
        ),
      );
    }
  }

  function restart(id: string, wasHealthy: boolean): void {
    countFailure(wasHealthy);
    const afterMs = restartDelayMs(failures);
    if (afterMs > 0) emit({ event: "task-restarting", id, afterMs });
    schedule(afterMs, start);
  }

  /** If the declared percentages allow it, the new task starts before this one stops. */
  function replace(task: RunningTask, reason: string): void {
    const state = tasks.get(task);
    if (state === undefined || state.isStopping) return;
    state.isStopping = true;
    emit({ event: "task-replaced", ...identity(task), reason });
    countFailure(state.wasHealthy);
    if (service.canOverlap) start();
    void task.stop().then(() => {
      if (!service.canOverlap && closing === undefined) start();
    });
  }

  function healthy(): number {
    return [...tasks.keys()].filter(({ health }) => health === "healthy").length;
  }

  async function close(): Promise<void> {
    for (const timer of timers) clearTimeout(timer);
    await Promise.all([...tasks.keys()].map((task) => task.stop({ skipDelay: true })));
  }

  // A caller that does not wait for `ready` must not get an unhandled rejection.
  ready.promise.catch(() => undefined);
  for (let n = 0; n < service.desiredCount; n++) start();

  return {
    ready: ready.promise,
    status() {
      return [...tasks].map(([task, state]) => {
        const target = task.registration?.target;
        const health = task.health === "initial" ? "starting" : task.health;
        return {
          id: task.id,
          pid: task.pid,
          port: target?.port,
          health: state.isStopping || closing !== undefined ? "stopping" : health,
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

function identity({ id, pid = 0 }: RunningTask): { readonly id: string; readonly pid: number } {
  return { id, pid };
}
