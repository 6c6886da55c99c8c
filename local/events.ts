/** Everything that the local stack reports, as data. No event contains a secret of the stack. */
import type { Limitation } from "./model/coverage.ts";
import type { AlarmState, ScalingMetric, ScalingStatus } from "./model/scaling/status.ts";
import type { StackSummary } from "./model/summary.ts";
import type { RequiredTokens } from "./model/tokens.ts";

export type { AlarmState, PolicyStatus, ScalingMetric, ScalingStatus } from "./model/scaling/status.ts";

export interface StackUrls {
  /** WebSocket clients connect here, through the edge. */
  readonly websocket: string;
  /** The console; absent if the stack has no service. */
  readonly page?: string | undefined;
  /** The load balancer behind the edge; absent if it is private, or is the edge. */
  readonly loadBalancer?: string | undefined;
  /** The listener for plain HTTP of a load balancer that is the edge. */
  readonly plainHttp?: string | undefined;
  /** The edge of the API Gateway, beside that of the service. */
  readonly apiGateway?: string | undefined;
}

export interface TaskStatus {
  /** Such as `task-3`. */
  readonly id: string;
  readonly pid: number | undefined;
  readonly port: number | undefined;
  /** Port of the metrics for Prometheus; `undefined` if the task does not serve them. */
  readonly metricsPort: number | undefined;
  /** 1 for the first deployment of the stack. */
  readonly revision: number;
  readonly health: "starting" | "healthy" | "unhealthy" | "stopping";
  /** Open requests and connections. */
  readonly open: number;
  /** Requests so far, upgrades included. */
  readonly requests: number;
}

/** One version of the tasks. The newest deployment is the last one. */
export interface DeploymentStatus {
  /** 1 for the first deployment of the stack. */
  readonly revision: number;
  readonly state: "in-progress" | "completed" | "failed";
  readonly desired: number;
  readonly running: number;
  readonly healthy: number;
}

/** A fault that is applied now. */
export interface ActiveFault {
  /** Such as `freeze-task`. */
  readonly fault: string;
  /** Absent if the fault is not that of one task. */
  readonly task?: string | undefined;
}

/** The state of a running stack that an output shows. */
export interface ObservedStack {
  readonly urls: StackUrls;
  /** Whether clients need a token of `npm run token`. @default false */
  readonly needsDevelopmentToken?: boolean;
  /** API key of backends. @default there is none */
  readonly apiKey?: string | undefined;
  /** The current tasks, oldest first. */
  status(): readonly TaskStatus[];
  /** `undefined` if the stack does not declare autoscaling. */
  scaling(): ScalingStatus | undefined;
}

interface TaskEvent {
  /** Such as `task-3`; no other task of the stack gets it. */
  readonly id: string;
}

interface TaskProcessEvent extends TaskEvent {
  readonly pid: number;
}

interface ScalingEvent {
  /** Logical name of the policy. */
  readonly policy: string;
  readonly metric: ScalingMetric;
  readonly target: number;
}

interface FaultEvent extends ActiveFault {
  /** Such as `Freeze`. */
  readonly name: string;
}

export type StackEvent =
  | ({
      readonly event: "declared";
      /** Deploys the stack to AWS, such as `pulumi up`. */
      readonly deployCommand: string;
    } & StackSummary)
  /** The tasks require tokens from the start. */
  | ({ readonly event: "tokens-required" } & RequiredTokens)
  /** From the configuration checks of the program, or from the local stack itself. */
  | { readonly event: "warning"; readonly message: string }
  /** Declared resources whose behavior is missing here, at the start, and after a change those that are new. */
  | ({ readonly event: "unsupported" } & Limitation)
  /** The server that emulates the backplane; there is no such event for the stand-in. */
  | { readonly event: "backplane-started"; readonly pid: number; readonly port: number }
  /** The server has ended by itself, and its data is lost. Another one starts after `afterMs` milliseconds. */
  | {
      readonly event: "backplane-ended";
      readonly afterMs: number;
      /** Why the server did not start; absent if it ran. */
      readonly reason?: string;
    }
  | ({ readonly event: "task-started" } & TaskProcessEvent)
  | ({ readonly event: "task-listening"; readonly port: number } & TaskProcessEvent)
  | ({ readonly event: "task-healthy"; readonly port: number } & TaskProcessEvent)
  | ({ readonly event: "task-unhealthy"; readonly reason: string } & TaskProcessEvent)
  /** The task stops because it is unhealthy, and another one takes its place. */
  | ({ readonly event: "task-replaced"; readonly reason: string } & TaskProcessEvent)
  | ({
      readonly event: "task-stopped";
      /** `undefined` if the process did not start. */
      readonly pid: number | undefined;
      readonly code: number | null;
      readonly signal: NodeJS.Signals | null;
      /** Whether the stack has stopped the task. */
      readonly expected: boolean;
      /** The last lines of the task's output; empty if the end was expected. */
      readonly output: readonly string[];
    } & TaskEvent)
  | ({ readonly event: "task-restarting"; readonly afterMs: number } & TaskEvent)
  | {
      readonly event: "deployment-started";
      readonly revision: number;
      /** The changed files, such as `app/src/server.ts`; empty for the first deployment. */
      readonly files: readonly string[];
    }
  /** Every desired task has this revision and is healthy. Old tasks may still be stopping. */
  | { readonly event: "deployment-completed"; readonly revision: number }
  | {
      readonly event: "deployment-failed";
      readonly revision: number;
      readonly reason: string;
      /** The revision of the last completed deployment, which is deployed again; absent if there is none, or no rollback is declared. */
      readonly returnsTo?: number;
    }
  /** Changes of these files and folders are applied from now on. */
  | { readonly event: "watching"; readonly paths: readonly string[] }
  /** Changed files have been evaluated. Parts whose declared values differ have changed, unless they need a restart of the stack. */
  | {
      readonly event: "stack-changed";
      readonly files: readonly string[];
      /** Such as `target group websocket`; a changed `container` also starts a deployment. */
      readonly changed: readonly string[];
      /** Parts that keep their values until `npm start` is started again. */
      readonly needRestart: readonly string[];
    }
  /** Changed files cannot be built or evaluated. Everything continues with the previous version. */
  | { readonly event: "change-rejected"; readonly files: readonly string[]; readonly message: string }
  /** A line of a task's output. */
  | ({ readonly event: "task-output"; readonly line: string } & TaskEvent)
  /** A data point of a policy's metric, for one minute of the time that `--speed` accelerates. */
  | ({ readonly event: "metric"; readonly value: number } & ScalingEvent)
  /** An alarm of a policy has changed its state. */
  | ({
      readonly event: "alarm";
      /** `high` adds tasks, `low` removes some. */
      readonly alarm: "high" | "low";
      readonly state: AlarmState;
    } & ScalingEvent)
  /** The autoscaler has set the desired number of tasks. */
  | {
      readonly event: "scaled";
      readonly from: number;
      readonly to: number;
      /** Such as `connections per task 12.4 > 5 for 3 min: 1 → 3 tasks`. */
      readonly reason: string;
    }
  /** Every task is healthy. `seconds` since the process started. */
  | {
      readonly event: "ready";
      readonly urls: StackUrls;
      /** Whether clients need a token of `npm run token`. @default false */
      readonly needsDevelopmentToken?: boolean;
      /** API key of backends. @default there is none */
      readonly apiKey?: string | undefined;
      readonly seconds: number;
    }
  /** Every task gets SIGTERM now, and SIGKILL after its stop timeout, or at a second signal to the stack. */
  | {
      readonly event: "stopping";
      readonly tasks: number;
      readonly stopTimeoutSeconds: number;
      readonly secondSignal: "kills";
    }
  | { readonly event: "stopped" }
  /** The address of the dashboard. Its token gives access to the dashboard as long as the stack runs. */
  | { readonly event: "dashboard-started"; readonly url: string }
  /** The user has applied a fault, by the keyboard or by the dashboard. */
  | ({ readonly event: "fault-applied" } & FaultEvent)
  /** The fault is undone, or has done its work, or its task has ended. */
  | ({ readonly event: "fault-ended" } & FaultEvent);

export type EventOf<Name extends StackEvent["event"]> = Extract<StackEvent, { event: Name }>;

export type EmitEvent = (event: StackEvent) => void;
