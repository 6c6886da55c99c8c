/** The faults that a user can apply to a running stack. */
import type { RunningBackplane } from "../runtime/backplane.ts";
import type { Impairment } from "../runtime/network/impairment.ts";
import type { TaskFaults } from "../runtime/tasks/task.ts";

/** Latency in each direction between a client and the edge. */
const LATENCY_MS = 200;
const DROP_SHARE = 1 / 3;

/** The parts of a stack to which faults apply. */
export interface FaultTarget {
  /** `undefined` if no such task runs. */
  taskFaults(id: string): TaskFaults | undefined;
  /** The connections between the clients and the edge. */
  readonly impairment: Impairment;
  readonly backplane?: Pick<RunningBackplane, "start" | "stop"> | undefined;
  /** Resolves when the edge sends the next generation of the origin secret. */
  readonly rotateSecret?: (() => Promise<void>) | undefined;
  /** Deploys a version that ends at once. Resolves when the deployment has failed and was rolled back. */
  readonly deployBroken?: (() => Promise<void>) | undefined;
}

interface Definition {
  readonly id: string;
  /** The key that applies the fault in a terminal. */
  readonly key: string;
  /** Such as the text of a button. */
  readonly name: string;
  /** One sentence about the effect, without its subject. */
  readonly description: string;
  /** The part of the stack to which the fault applies. */
  readonly part: "edge" | "tasks" | "backplane";
}

/** Ends a fault. */
export type Undo = () => unknown;

/**
 * The result of applying a fault: nothing if its work is done, a function that ends it, or a promise that resolves when its work is
 * done.
 */
type Applied = Undo | Promise<unknown> | undefined;

interface TaskFault extends Definition {
  readonly takesTask: true;
  readonly apply: (task: TaskFaults) => Applied;
}

interface StackFault extends Definition {
  readonly takesTask: false;
  /** The part without which the stack does not have this fault. */
  readonly needs: keyof FaultTarget;
  readonly apply: (target: FaultTarget) => Applied;
}

export type Fault = TaskFault | StackFault;

export const FAULTS: readonly Fault[] = [
  {
    id: "kill-task",
    key: "k",
    name: "Kill",
    description: "sends SIGKILL to the process of a task",
    part: "tasks",
    takesTask: true,
    apply(task) {
      task.signal("SIGKILL");
      return undefined;
    },
  },
  {
    id: "fail-health-checks",
    key: "u",
    name: "Fail checks",
    description: "fails the health checks of a task",
    part: "tasks",
    takesTask: true,
    apply(task) {
      task.setFailing(true);
      return () => {
        task.setFailing(false);
      };
    },
  },
  {
    id: "freeze-task",
    key: "f",
    name: "Freeze",
    description: "stops the process of a task with SIGSTOP, until SIGCONT",
    part: "tasks",
    takesTask: true,
    apply: (task) => task.freeze(),
  },
  {
    id: "stop-backplane",
    key: "b",
    name: "Stop backplane",
    description: "ends the backplane, which starts again without its data",
    part: "backplane",
    takesTask: false,
    needs: "backplane",
    apply({ backplane }) {
      void backplane?.stop();
      return () => backplane?.start();
    },
  },
  {
    id: "add-latency",
    key: "l",
    name: "Add latency",
    description: `delays every byte between clients and the edge by ${LATENCY_MS} ms`,
    part: "edge",
    takesTask: false,
    needs: "impairment",
    apply({ impairment }) {
      impairment.setLatency(LATENCY_MS);
      return () => {
        impairment.setLatency(0);
      };
    },
  },
  {
    id: "drop-connections",
    key: "d",
    name: "Drop connections",
    description: "closes a third of the open connections without a Close frame, and a third of the new ones",
    part: "edge",
    takesTask: false,
    needs: "impairment",
    apply({ impairment }) {
      impairment.setDropShare(DROP_SHARE);
      return () => {
        impairment.setDropShare(0);
      };
    },
  },
  {
    id: "rotate-secret",
    key: "s",
    name: "Rotate the secret",
    description: "deploys the next generation: the load balancer accepts both values, then the edge changes",
    part: "edge",
    takesTask: false,
    needs: "rotateSecret",
    apply: ({ rotateSecret }) => rotateSecret?.(),
  },
  {
    id: "deploy-broken-version",
    key: "x",
    name: "Deploy a broken version",
    description: "deploys a version that ends at once; the circuit breaker rolls it back",
    part: "tasks",
    takesTask: false,
    needs: "deployBroken",
    apply: ({ deployBroken }) => deployBroken?.(),
  },
];
