/** The revisions of the emulated service, and the state of their deployments. */
import { ExpectedError } from "../../../app/src/settings/expectedError.ts";
import type { DeploymentStatus, EmitEvent } from "../../events.ts";
import {
  type Deployment,
  currentDeployment,
  deployRevision,
  FIRST_ROLLOUT,
  recordComplete,
  recordFailure,
  recordHealthy,
} from "../../model/deployment/rollout.ts";
import type { ScheduledTask } from "../../model/deployment/schedule.ts";
import type { DeclaredContainer } from "../../model/container.ts";
import type { DeclaredService } from "../../model/service.ts";
import type { Program } from "./program.ts";

/** What the tasks of one revision run. */
export interface Revision {
  readonly container: DeclaredContainer;
  readonly program: Program;
}

export interface Deployments {
  /** Resolves when the first deployment is complete; rejects if its circuit breaker is triggered. */
  readonly ready: Promise<void>;
  /** The deployment whose revision new tasks get. */
  readonly current: Deployment;
  revision(number: number): Revision;
  /** @returns the number of the new revision. */
  deploy(changes: Partial<Revision>, files: readonly string[]): number;
  /** A task of this revision is healthy. */
  onHealthy(revision: number): void;
  /**
   * A task of this revision failed before it was healthy.
   * @param cause the reason of the failure, with the task's id.
   */
  onFailed(revision: number, service: DeclaredService, desiredCount: number, cause: string): void;
  /** Completes the current deployment if its tasks allow that. */
  complete(tasks: readonly ScheduledTask[], desiredCount: number): void;
  status(tasks: readonly ScheduledTask[], desiredCount: number): readonly DeploymentStatus[];
  /** Whether a task may get this file by a start or a rollback. It forgets all other revisions. @param running revisions of tasks. */
  usesEntry(entry: string, running: readonly number[]): boolean;
}

export function createDeployments(first: Revision, emit: EmitEvent): Deployments {
  const revisions = new Map([[1, first]]);
  const ready = Promise.withResolvers<undefined>();
  let rollout = FIRST_ROLLOUT;
  let lastRevision = 1;

  const isCurrent = (revision: number): boolean => revision === currentDeployment(rollout).revision;

  function revisionOf(number: number): Revision {
    const revision = revisions.get(number);
    if (revision === undefined) throw new Error(`Revision ${number} does not exist.`);
    return revision;
  }

  // A caller that does not wait for `ready` must not get an unhandled rejection.
  ready.promise.catch(() => undefined);
  emit({ event: "deployment-started", revision: 1, files: [] });

  return {
    ready: ready.promise,
    get current() {
      return currentDeployment(rollout);
    },
    revision: revisionOf,
    deploy(changes, files) {
      const revision = ++lastRevision;
      revisions.set(revision, { ...revisionOf(currentDeployment(rollout).revision), ...changes });
      rollout = deployRevision(rollout, revision);
      emit({ event: "deployment-started", revision, files });
      return revision;
    },
    onHealthy(revision) {
      if (isCurrent(revision)) rollout = recordHealthy(rollout);
    },
    onFailed(revision, service, desiredCount, cause) {
      if (!isCurrent(revision)) return;
      const before = currentDeployment(rollout);
      rollout = recordFailure(rollout, service.circuitBreaker, desiredCount);
      const after = rollout.deployments.find((deployment) => deployment.revision === revision);
      if (before.state === "failed" || after?.state !== "failed") return;
      const returnsTo = currentDeployment(rollout).revision;
      const count = `${after.failures} consecutive tasks ended or became unhealthy before they were healthy`;
      emit({
        event: "deployment-failed",
        revision,
        reason: `${count}; the last one is ${cause}`,
        ...(returnsTo !== revision && { returnsTo }),
      });
      ready.reject(
        new ExpectedError(`${service.name}: ${count}, which triggers the deployment circuit breaker.`),
      );
    },
    complete(tasks, desiredCount) {
      const { revision, state } = currentDeployment(rollout);
      const running = tasks.filter((task) => task.state !== "stopping");
      const isDone = running.every((task) => task.state === "healthy" && task.revision === revision);
      if (state !== "in-progress" || running.length < desiredCount || !isDone) return;
      rollout = recordComplete(rollout);
      emit({ event: "deployment-completed", revision });
      ready.resolve(undefined);
    },
    status(tasks, desiredCount) {
      return rollout.deployments.map(({ revision, state }) => {
        const running = tasks.filter((task) => task.revision === revision && task.state !== "stopping");
        return {
          revision,
          state,
          desired: isCurrent(revision) ? desiredCount : 0,
          running: running.length,
          healthy: running.filter((task) => task.state === "healthy").length,
        };
      });
    },
    usesEntry(entry, running) {
      const used = new Set([...rollout.deployments.map(({ revision }) => revision), ...running]);
      for (const revision of revisions.keys()) if (!used.has(revision)) revisions.delete(revision);
      return [...revisions.values()].some(
        ({ program }) => program.type === "server" && program.entry === entry,
      );
    },
  };
}
