/**
 * The decisions of the ECS service scheduler: which tasks start and stop now, within the declared percentages. All values are data; the
 * caller applies the decision and asks again after every change.
 * @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_services.html
 * @see https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html
 */

export interface DeploymentPercentages {
  /** The scheduler does not stop a healthy task if fewer than this share of the desired count, rounded up, would remain. */
  readonly minimumHealthyPercent: number;
  /** The scheduler does not start a task if more than this share of the desired count, rounded down, would run. */
  readonly maximumPercent: number;
}

export interface ScheduledTask {
  readonly id: string;
  readonly revision: number;
  /** `unhealthy` only after the grace period; a failed check before it leaves the task `starting`. */
  readonly state: "starting" | "healthy" | "unhealthy" | "stopping";
  /** Number of the availability zone, from 0. */
  readonly zone: number;
}

export interface ServiceState {
  readonly desiredCount: number;
  readonly percentages: DeploymentPercentages;
  /** The revision that new tasks get. Tasks of all other revisions are replaced. */
  readonly revision: number;
  /** `false` after the deployment of this revision has failed. */
  readonly canStart: boolean;
  /** Oldest first. */
  readonly tasks: readonly ScheduledTask[];
}

export interface Decision {
  /** Number of tasks of the current revision to start. */
  readonly start: number;
  /** Ids of the tasks to stop. */
  readonly stop: readonly string[];
  /** Whether tasks are missing, and the percentages allow neither a start nor a stop. The health of a task does not change that. */
  readonly isStuck: boolean;
}

/**
 * The next tasks to start and to stop. It replaces an unhealthy task after its replacement is healthy if the percentages allow that.
 * Of several equal tasks, it stops those in the zone with the most tasks, and of these the oldest one: ECS balances the zones of
 * Fargate tasks, and otherwise chooses at random.
 */
export function scheduleTasks(state: ServiceState): Decision {
  const { desiredCount, percentages, revision, canStart, tasks } = state;
  const min = Math.ceil((desiredCount * percentages.minimumHealthyPercent) / 100);
  const max = Math.floor((desiredCount * percentages.maximumPercent) / 100);
  const running = tasks.filter(({ state }) => state !== "stopping");
  // AWS limits RUNNING and PENDING tasks, and a stopping task is neither. If the limit allows no second task beside the first one, the
  // program declares that two tasks do not overlap, so the start waits for the end of the process.
  const counted = max > desiredCount ? running : tasks;
  const current = running.filter((task) => task.revision === revision);
  const old = running.filter((task) => task.revision !== revision);

  const useful = current.length - countOf(current, "unhealthy");
  const missing = canStart ? Math.max(0, desiredCount - useful) : 0;
  const start = Math.min(missing, Math.max(0, max - counted.length));
  const blocked = missing - start;

  const starting = countOf(running, "starting");
  // A task that is starting has not replaced another one yet.
  const surplus = Math.max(0, running.length - starting - desiredCount);
  const unhealthy = [...ofState(old, "unhealthy"), ...ofState(current, "unhealthy")];
  // Without room for a replacement, unhealthy tasks stop one at a time, each when the replacement of the previous one has a result.
  const mayFreeRoom = blocked > 0 && starting + start === 0 && counted.length === running.length;
  const stopUnhealthy = Math.min(unhealthy.length, Math.max(surplus, mayFreeRoom ? 1 : 0));

  const mayStop = Math.max(0, countOf(running, "healthy") - min);
  const stopOld = Math.min(mayStop, Math.max(surplus, blocked) - stopUnhealthy);
  const excess = Math.max(0, useful - desiredCount);

  const stop = [
    ...ofState(old, "starting"),
    ...unhealthy.slice(0, stopUnhealthy),
    ...chooseStopped(ofState(old, "healthy"), running, stopOld),
    // Tasks that are starting have no connections.
    ...ofState(current, "starting").slice(0, excess),
    ...chooseStopped(ofState(current, "healthy"), current, excess - countOf(current, "starting")),
  ].map(({ id }) => id);
  const isStuck = missing > 0 && start + stop.length === 0 && tasks.every((task) => task.state === "healthy");
  return { start, stop, isStuck };
}

/** The zone with the fewest running tasks. @param zones number of zones. */
export function chooseZone(tasks: readonly ScheduledTask[], zones: number): number {
  const counts = countByZone(tasks.filter(({ state }) => state !== "stopping"));
  let chosen = 0;
  for (let zone = 1; zone < zones; zone++) {
    if ((counts.get(zone) ?? 0) < (counts.get(chosen) ?? 0)) chosen = zone;
  }
  return chosen;
}

/** The candidates to stop, each in the zone with the most of the tasks that remain. */
function chooseStopped(
  candidates: readonly ScheduledTask[],
  running: readonly ScheduledTask[],
  count: number,
): readonly ScheduledTask[] {
  const counts = countByZone(running);
  const left = [...candidates];
  const chosen: ScheduledTask[] = [];
  while (chosen.length < count) {
    const most = Math.max(...left.map(({ zone }) => counts.get(zone) ?? 0));
    const index = left.findIndex(({ zone }) => counts.get(zone) === most);
    const [task] = left.splice(index, 1);
    if (task === undefined) break;
    counts.set(task.zone, most - 1);
    chosen.push(task);
  }
  return chosen;
}

function countByZone(tasks: readonly ScheduledTask[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const { zone } of tasks) counts.set(zone, (counts.get(zone) ?? 0) + 1);
  return counts;
}

function ofState(tasks: readonly ScheduledTask[], state: ScheduledTask["state"]): readonly ScheduledTask[] {
  return tasks.filter((task) => task.state === state);
}

function countOf(tasks: readonly ScheduledTask[], state: ScheduledTask["state"]): number {
  return ofState(tasks, state).length;
}
