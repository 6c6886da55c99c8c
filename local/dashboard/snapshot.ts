/** The state of a stack that the page draws. */
import type {
  DeploymentStatus,
  ObservedStack,
  ScalingStatus,
  StackUrls,
  TaskStatus,
  ActiveFault,
} from "../events.ts";
import type { FaultControl } from "../control/faultControl.ts";
import type { Tasks } from "../runtime/tasks/tasks.ts";
import type { History, PastEvent } from "./history.ts";
import type { MessageRates } from "./messageRates.ts";

/** The stack of a dashboard. */
export interface DashboardStack extends ObservedStack {
  /** `undefined` if the stack has no service. */
  readonly tasks: Pick<Tasks, "deployments"> | undefined;
  readonly faults: Pick<FaultControl, "active" | "apply" | "end" | "faults">;
}

export interface Snapshot {
  readonly stack: string;
  readonly phase: "starting" | "ready" | "stopping";
  readonly urls: StackUrls;
  /** The declared parts, from the clients to the backplane. */
  readonly path: readonly { readonly part: string; readonly text: string }[];
  readonly tasks: readonly Omit<TaskStatus, "metricsPort">[];
  readonly rates: MessageRates;
  /** `null` if the stack does not declare autoscaling. */
  readonly scaling: ScalingStatus | null;
  /** The recent values of each policy's metric. */
  readonly metrics: History["metrics"];
  readonly deployments: readonly DeploymentStatus[];
  readonly faults: readonly {
    readonly id: string;
    readonly name: string;
    readonly key: string;
    readonly description: string;
    readonly part: string;
    readonly takesTask: boolean;
  }[];
  readonly activeFaults: readonly ActiveFault[];
  /** Those that the viewer does not have yet, oldest first. */
  readonly events: readonly PastEvent[];
}

/** @param after the number of the last event that the viewer has. */
export function takeSnapshot(
  stack: DashboardStack,
  history: History,
  rates: MessageRates,
  after: number,
): Snapshot {
  const { declared, urls, isStopping, metrics, events } = history;
  return {
    stack: declared?.stack ?? "",
    phase: isStopping ? "stopping" : urls === undefined ? "starting" : "ready",
    urls: stack.urls,
    path: declared?.path ?? [],
    tasks: stack.status(),
    rates,
    scaling: stack.scaling() ?? null,
    metrics,
    deployments: stack.tasks?.deployments() ?? [],
    faults: stack.faults.faults.map(({ id, name, key, description, part, takesTask }) => ({
      id,
      name,
      key,
      description,
      part,
      takesTask,
    })),
    activeFaults: stack.faults.active(),
    events: events.filter(({ number }) => number > after),
  };
}
