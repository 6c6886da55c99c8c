/** The emulated service: it applies the decisions of the scheduler's model to real tasks. */
import { ExpectedError } from "../../../app/src/settings/expectedError.ts";
import type { DeploymentStatus, EmitEvent, TaskStatus } from "../../events.ts";
import {
  currentDeployment,
  deployRevision,
  FIRST_ROLLOUT,
  recordComplete,
  recordFailure,
  recordHealthy,
  restartDelayMs,
} from "../../model/deployment/rollout.ts";
import { chooseZone, type ScheduledTask, scheduleTasks } from "../../model/deployment/schedule.ts";
import type { DeclaredContainer, DeclaredService } from "../../model/service.ts";
import { startTask, type RunningTask, type TaskFaults, type TaskMeter } from "./task.ts";
import type { Targets } from "./targets.ts";

/** What the tasks of one revision run. */
export interface Revision {
  readonly container: DeclaredContainer;
  /** The server's file. */
  readonly entry: string;
}

export interface TasksOptions {
  readonly service: DeclaredService;
  readonly targets: Targets;
  /** The server's file. */
  readonly entry: string;
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
   * @param files what the reader has changed.
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
  const { targets, entry, baseEnvironment, meter, emit } = options;
  let { service } = options;
  const entries = new Map<string, TaskEntry>();
  const revisions = new Map<number, Revision>([[1, { container: service.container, entry }]]);
  const timers = new Set<NodeJS.Timeout>();
  const ready = Promise.withResolvers<undefined>();
  let { desiredCount } = service;
  let rollout = FIRST_ROLLOUT;
  let lastRevision = 1;
  let startedTasks = 0;
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
    const { revision, state } = currentDeployment(rollout);
    const tasks = scheduledTasks();
    const canStart = state !== "failed";
    const { percentages } = service;
    const { start, stop } = scheduleTasks({ desiredCount, percentages, revision, canStart, tasks });
    for (const id of stop) stopTask(id);
    const waitMs = startsAt - performance.now();
    if (start > 0 && waitMs > 0) delay(waitMs, schedule);
    const starting = waitMs > 0 ? 0 : start;
    for (let n = 0; n < starting; n++) startOne(revision);
    if (stop.length > 0 || starting > 0) schedule();
    else completeDeployment(tasks);
  }

  function completeDeployment(tasks: readonly ScheduledTask[]): void {
    const { revision, state } = currentDeployment(rollout);
    const running = tasks.filter((task) => task.state !== "stopping");
    const healthy = running.filter((task) => task.state === "healthy" && task.revision === revision);
    if (state !== "in-progress" || healthy.length < desiredCount || running.length > healthy.length) return;
    rollout = recordComplete(rollout);
    emit({ event: "deployment-completed", revision });
    ready.resolve(undefined);
  }

  function startOne(revision: number): void {
    const { container, entry: file } = revisionOf(revision);
    const id = `task-${++startedTasks}`;
    const graceEndsAt = performance.now() + service.healthCheckGraceSeconds * 1000;
    const task = startTask({
      id,
      container,
      targets,
      entry: file,
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
      if (!expected) onEnded(added);
      schedule();
    });
  }

  function onHealthy(entry: TaskEntry): void {
    entry.wasHealthy = true;
    entry.unhealthyReason = undefined;
    if (isCurrent(entry)) rollout = recordHealthy(rollout);
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

  function onEnded(entry: TaskEntry): void {
    if (entry.wasHealthy || !isCurrent(entry)) return;
    if (entry.unhealthyReason === undefined) countFailure(entry, "the process ended");
    const afterMs = restartDelayMs(currentDeployment(rollout).failures);
    if (afterMs === 0) return;
    startsAt = performance.now() + afterMs;
    emit({ event: "task-restarting", id: entry.task.id, afterMs });
  }

  function countFailure(entry: TaskEntry, cause: string): void {
    if (!isCurrent(entry)) return;
    const { revision } = entry;
    rollout = recordFailure(rollout, service.circuitBreaker, desiredCount);
    const failed = rollout.deployments.find(
      (deployment) => deployment.revision === revision && deployment.state === "failed",
    );
    if (failed === undefined) return;
    startsAt = 0;
    const returnsTo = currentDeployment(rollout).revision;
    const count = `${failed.failures} consecutive tasks ended or became unhealthy before they were healthy`;
    emit({
      event: "deployment-failed",
      revision,
      reason: `${count}; the last one is ${entry.task.id}: ${cause}`,
      ...(returnsTo !== revision && { returnsTo }),
    });
    ready.reject(
      new ExpectedError(`${service.name}: ${count}, which triggers the deployment circuit breaker.`),
    );
  }

  function stopTask(id: string): void {
    const entry = entries.get(id);
    if (entry === undefined) return;
    entry.isStopping = true;
    const { task, unhealthyReason: reason } = entry;
    if (reason !== undefined) emit({ event: "task-replaced", ...identity(task), reason });
    void task.stop();
  }

  function isCurrent({ revision }: TaskEntry): boolean {
    return revision === currentDeployment(rollout).revision;
  }

  function revisionOf(number: number): Revision {
    const revision = revisions.get(number);
    if (revision === undefined) throw new Error(`Revision ${number} does not exist.`);
    return revision;
  }

  /** Keeps what a task, a rollback or the next deployment may need. */
  function forgetRevisions(): void {
    const used = new Set([
      ...rollout.deployments.map(({ revision }) => revision),
      ...[...entries.values()].map(({ revision }) => revision),
    ]);
    for (const revision of revisions.keys()) if (!used.has(revision)) revisions.delete(revision);
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

  // A caller that does not wait for `ready` must not get an unhandled rejection.
  ready.promise.catch(() => undefined);
  emit({ event: "deployment-started", revision: 1, files: [] });
  schedule();

  return {
    ready: ready.promise,
    get desiredCount() {
      return desiredCount;
    },
    status() {
      return [...entries.values()].map((entry) => statusOf(entry, closing !== undefined));
    },
    deployments() {
      const tasks = scheduledTasks().filter(({ state }) => state !== "stopping");
      const current = currentDeployment(rollout);
      return rollout.deployments.map(({ revision, state }) => {
        const running = tasks.filter((task) => task.revision === revision);
        return {
          revision,
          state,
          desired: revision === current.revision ? desiredCount : 0,
          running: running.length,
          healthy: running.filter((task) => task.state === "healthy").length,
        };
      });
    },
    setDesiredCount(count) {
      desiredCount = Math.min(Math.max(0, Math.trunc(count)), service.maxCount ?? Infinity);
      schedule();
    },
    update(next) {
      service = next;
      schedule();
    },
    usesEntry(file) {
      forgetRevisions();
      return [...revisions.values()].some((revision) => revision.entry === file);
    },
    deploy(changes = {}, files = []) {
      const revision = ++lastRevision;
      revisions.set(revision, { ...revisionOf(currentDeployment(rollout).revision), ...changes });
      rollout = deployRevision(rollout, revision);
      startsAt = 0;
      emit({ event: "deployment-started", revision, files });
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
