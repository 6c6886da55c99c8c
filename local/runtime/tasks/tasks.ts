/** The emulated service: it applies the decisions of the scheduler's model to real tasks. */
import type { DeploymentStatus, EmitEvent, TaskStatus } from "../../events.ts";
import { restartDelayMs } from "../../model/deployment/rollout.ts";
import { chooseZone, type ScheduledTask, scheduleTasks } from "../../model/deployment/schedule.ts";
import type { DeclaredService } from "../../model/service.ts";
import { createDeployments, type Revision } from "./deployments.ts";
import type { Program } from "./program.ts";
import { startTask, type RunningTask, type TaskEnd, type TaskFaults, type TaskMeter } from "./task.ts";
import type { Targets } from "./targets.ts";

export interface TasksOptions {
  readonly service: DeclaredService;
  readonly targets: Targets;
  /** What the tasks of the first deployment run. */
  readonly program: Program;
  readonly baseEnvironment: Readonly<Record<string, string>>;
  readonly meter: TaskMeter;
  readonly emit: EmitEvent;
}

export interface Tasks {
  /** Resolves when the first deployment is complete; rejects if its circuit breaker is triggered. */
  readonly ready: Promise<void>;
  readonly desiredCount: number;
  /** The current tasks, oldest first. */
  status(): readonly TaskStatus[];
  /** The recent deployments. The current one is the last. */
  deployments(): readonly DeploymentStatus[];
  /** Starts or stops tasks. A count above the declared maximum becomes the maximum. */
  setDesiredCount(count: number): void;
  /**
   * Starts a rolling deployment. It replaces one that is in progress.
   * @param changes values that differ from those of the current deployment, which after a rollback is the one before.
   * @param files the files that the user has changed.
   * @returns the number of the new revision.
   */
  deploy(changes?: Partial<Revision>, files?: readonly string[]): number;
  /** Replaces the declared values that apply to all revisions. The desired count and the container stay. */
  update(service: DeclaredService): void;
  /** Whether a task has this file, or may get it by a start or a rollback. */
  usesEntry(entry: string): boolean;
  /** The faults of a task that runs. */
  task(id: string): TaskFaults | undefined;
  /** Stops every task, without the deregistration delay. Idempotent. */
  close(): Promise<void>;
  /** Sends SIGKILL to every task. */
  kill(): void;
}

interface TaskEntry {
  readonly task: RunningTask;
  readonly revision: number;
  readonly zone: number;
  wasHealthy: boolean;
  /** Why the task is unhealthy after its grace period. */
  unhealthyReason: string | undefined;
  isStopping: boolean;
}

export function startTasks(options: TasksOptions): Tasks {
  const { targets, program, baseEnvironment, meter, emit } = options;
  let { service } = options;
  const entries = new Map<string, TaskEntry>();
  const deployments = createDeployments({ container: service.container, program }, emit);
  const timers = new Set<NodeJS.Timeout>();
  let { desiredCount } = service;
  let startedTasks = 0;
  /** The last revision whose deployment cannot proceed. */
  let warnedRevision: number | undefined;
  /** No task starts before this time of `performance.now()`. */
  let startsAt = 0;
  let isScheduled = false;
  let closing: Promise<void> | undefined;

  /** Runs a callback after a delay, unless the service is closed before. */
  function delay(delayMs: number, run: () => void): void {
    const timer = setTimeout(() => {
      timers.delete(timer);
      run();
    }, delayMs);
    timers.add(timer);
  }

  /** Decides once for all changes of this turn. A listener of an event may cause further ones. */
  function schedule(): void {
    if (isScheduled) return;
    isScheduled = true;
    queueMicrotask(() => {
      isScheduled = false;
      if (closing === undefined) applyDecision();
    });
  }

  function applyDecision(): void {
    const { revision, state } = deployments.current;
    const tasks = scheduledTasks();
    const canStart = state !== "failed";
    const { percentages } = service;
    const decision = scheduleTasks({ desiredCount, percentages, revision, canStart, tasks });
    const { start, stop } = decision;
    if (decision.isStuck && warnedRevision !== revision) {
      warnedRevision = revision;
      emit({ event: "warning", message: describeStuck(service, desiredCount) });
    }
    for (const id of stop) stopTask(id);
    const waitMs = startsAt - performance.now();
    if (start > 0 && waitMs > 0) delay(waitMs, schedule);
    const starting = waitMs > 0 ? 0 : start;
    for (let n = 0; n < starting; n++) startOne(revision);
    if (stop.length > 0 || starting > 0) schedule();
    else deployments.complete(tasks, desiredCount);
  }

  function startOne(revision: number): void {
    const running = deployments.revision(revision);
    const id = `task-${++startedTasks}`;
    const graceEndsAt = performance.now() + service.healthCheckGraceSeconds * 1000;
    const task = startTask({
      id,
      ...running,
      targets,
      baseEnvironment,
      meter,
      onOutput: (line) => {
        emit({ event: "task-output", id, line });
      },
      onListening: (port) => {
        emit({ event: "task-listening", ...identity(task), port });
      },
      onHealth: (health, reason) => {
        if (health === "healthy") onHealthy(added);
        else if (health === "unhealthy") {
          emit({ event: "task-unhealthy", ...identity(task), reason });
          delay(Math.max(0, graceEndsAt - performance.now()), () => {
            if (task.health === "unhealthy" && !added.isStopping) onUnhealthy(added, reason);
          });
        }
      },
    });
    const zone = chooseZone(scheduledTasks(), service.zones);
    const added: TaskEntry = {
      task,
      revision,
      zone,
      wasHealthy: false,
      unhealthyReason: undefined,
      isStopping: false,
    };
    entries.set(id, added);
    if (task.pid !== undefined) emit({ event: "task-started", id, pid: task.pid });
    void task.ended.then((end) => {
      entries.delete(id);
      const expected = added.isStopping || closing !== undefined;
      // The output of a task that was killed does not explain its end.
      const output = expected || end.signal === "SIGKILL" ? [] : end.output;
      emit({ event: "task-stopped", id, pid: task.pid, ...end, expected, output });
      if (!expected) onEnded(added, end);
      schedule();
    });
  }

  function onHealthy(entry: TaskEntry): void {
    entry.wasHealthy = true;
    entry.unhealthyReason = undefined;
    deployments.onHealthy(entry.revision);
    emit({
      event: "task-healthy",
      ...identity(entry.task),
      port: entry.task.registration?.target.port ?? 0,
    });
    schedule();
  }

  function onUnhealthy(entry: TaskEntry, reason: string): void {
    const isFirst = entry.unhealthyReason === undefined;
    entry.unhealthyReason = reason;
    if (isFirst && !entry.wasHealthy) countFailure(entry, reason);
    schedule();
  }

  function onEnded(entry: TaskEntry, { code, signal }: TaskEnd): void {
    if (entry.wasHealthy || entry.revision !== deployments.current.revision) return;
    if (entry.unhealthyReason === undefined) countFailure(entry, signal ?? `exit code ${code ?? "unknown"}`);
    const afterMs = restartDelayMs(deployments.current.failures);
    if (afterMs === 0) return;
    startsAt = performance.now() + afterMs;
    emit({ event: "task-restarting", id: entry.task.id, afterMs });
  }

  function countFailure({ revision, task }: TaskEntry, cause: string): void {
    const wasCurrent = revision === deployments.current.revision;
    deployments.onFailed(revision, service, desiredCount, `${task.id}: ${cause}`);
    // A rollback does not wait for the delay of the failed tasks.
    if (wasCurrent && revision !== deployments.current.revision) startsAt = 0;
  }

  function stopTask(id: string): void {
    const entry = entries.get(id);
    if (entry === undefined) return;
    entry.isStopping = true;
    const { task, unhealthyReason: reason } = entry;
    if (reason !== undefined) emit({ event: "task-replaced", ...identity(task), reason });
    void task.stop();
  }

  function scheduledTasks(): readonly ScheduledTask[] {
    return [...entries].map(([id, entry]) => ({
      id,
      revision: entry.revision,
      zone: entry.zone,
      state: scheduledState(entry),
    }));
  }

  async function close(): Promise<void> {
    for (const timer of timers) clearTimeout(timer);
    await Promise.all([...entries.values()].map(({ task }) => task.stop({ skipDelay: true })));
  }

  schedule();

  return {
    ready: deployments.ready,
    get desiredCount() {
      return desiredCount;
    },
    status() {
      return [...entries.values()].map((entry) => statusOf(entry, closing !== undefined));
    },
    deployments: () => deployments.status(scheduledTasks(), desiredCount),
    setDesiredCount(count) {
      desiredCount = Math.min(Math.max(0, Math.trunc(count)), service.maxCount ?? Infinity);
      schedule();
    },
    update(next) {
      service = next;
      schedule();
    },
    usesEntry(file) {
      const running = [...entries.values()].map(({ revision }) => revision);
      return deployments.usesEntry(file, running);
    },
    deploy(changes = {}, files = []) {
      const revision = deployments.deploy(changes, files);
      startsAt = 0;
      schedule();
      return revision;
    },
    task(id) {
      return entries.get(id)?.task;
    },
    close() {
      closing ??= close();
      return closing;
    },
    kill() {
      for (const { task } of entries.values()) task.kill();
    },
  };
}

/** ECS reports it as an event of the service, and waits. */
function describeStuck({ name, percentages }: DeclaredService, desiredCount: number): string {
  const { minimumHealthyPercent, maximumPercent } = percentages;
  return (
    `${name}: the deployment waits. At a desired count of ${desiredCount}, a minimum of ${minimumHealthyPercent} % healthy and ` +
    `a maximum of ${maximumPercent} % allow neither a start nor a stop.`
  );
}

function scheduledState({ task, isStopping, unhealthyReason }: TaskEntry): ScheduledTask["state"] {
  if (isStopping) return "stopping";
  if (task.health === "healthy") return "healthy";
  return unhealthyReason === undefined ? "starting" : "unhealthy";
}

function statusOf({ task, revision, isStopping }: TaskEntry, isClosing: boolean): TaskStatus {
  const target = task.registration?.target;
  const health = task.health === "initial" ? "starting" : task.health;
  return {
    id: task.id,
    pid: task.pid,
    port: target?.port,
    metricsPort: task.metricsPort,
    revision,
    health: isStopping || isClosing ? "stopping" : health,
    open: target?.outstanding ?? 0,
    requests: target?.requests ?? 0,
  };
}

function identity({ id, pid = 0 }: RunningTask): { readonly id: string; readonly pid: number } {
  return { id, pid };
}
