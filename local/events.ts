/** Everything that the local stack tells its user, as data. No event carries a secret. */
import type { Declaration } from "./model/declaration.ts";

export interface StackUrls {
  /** Where WebSocket clients connect, through the edge. */
  readonly websocket: string;
  /** The console; absent where the stack has no service. */
  readonly page?: string | undefined;
  /** The load balancer itself, which answers as declared to who goes around the edge; absent where nobody can. */
  readonly loadBalancer?: string | undefined;
  /** The load balancer's listener for plain HTTP, where the load balancer is the edge. */
  readonly plainHttp?: string | undefined;
  /** The edge of the API Gateway, beside that of the service. */
  readonly apiGateway?: string | undefined;
}

export interface TaskStatus {
  readonly id: string;
  readonly pid: number | undefined;
  readonly port: number | undefined;
  readonly health: "starting" | "healthy" | "unhealthy" | "stopping";
  /** Requests and connections that are open now. */
  readonly open: number;
  /** Requests so far, upgrades included. */
  readonly requests: number;
}

/** A stack that runs, as far as an output shows it. */
export interface ObservedStack {
  readonly urls: StackUrls;
  /** The tasks of now, oldest first. */
  status(): readonly TaskStatus[];
}

interface OfTask {
  /** Such as `task-3`; never used twice. */
  readonly id: string;
}

interface OfProcess extends OfTask {
  readonly pid: number;
}

export type StackEvent =
  | ({ readonly event: "declared" } & Declaration)
  /** From the program's own configuration checks. */
  | { readonly event: "warning"; readonly message: string }
  /** Declared resources whose behaviour is missing here, all for one reason. */
  | {
      readonly event: "not-played";
      readonly types: readonly string[];
      readonly names: readonly string[];
      readonly reason: string;
    }
  /** The server that plays the backplane; the embedded stand-in is none. */
  | { readonly event: "backplane-started"; readonly pid: number; readonly port: number }
  /** It has ended by itself, and what it held is gone. Another one starts after that time, in milliseconds. */
  | {
      readonly event: "backplane-ended";
      readonly afterMs: number;
      /** Why it could not be started; absent where it ran. */
      readonly reason?: string;
    }
  | ({ readonly event: "task-started" } & OfProcess)
  | ({ readonly event: "task-listening"; readonly port: number } & OfProcess)
  | ({ readonly event: "task-healthy"; readonly port: number } & OfProcess)
  | ({ readonly event: "task-unhealthy"; readonly reason: string } & OfProcess)
  | ({
      readonly event: "task-stopped";
      /** `undefined` where the process could not be started. */
      readonly pid: number | undefined;
      readonly code: number | null;
      readonly signal: NodeJS.Signals | null;
      /** Whether the stack asked for it. */
      readonly expected: boolean;
      /** What it said last; only where it was not expected. */
      readonly output: readonly string[];
    } & OfTask)
  | ({ readonly event: "task-restarting"; readonly afterMs: number } & OfTask)
  /** A line of a task's output. */
  | ({ readonly event: "task-output"; readonly line: string } & OfTask)
  /** Every task is healthy, where there are any. `seconds` since the process started. */
  | { readonly event: "ready"; readonly urls: StackUrls; readonly seconds: number }
  /** Every task gets SIGTERM now, and SIGKILL after its stop timeout, or at once at a second signal to the stack. */
  | {
      readonly event: "stopping";
      readonly tasks: number;
      readonly stopTimeoutSeconds: number;
      readonly secondSignal: "kills";
    }
  | { readonly event: "stopped" };

export type EventOf<Name extends StackEvent["event"]> = Extract<StackEvent, { event: Name }>;

export type Emit = (event: StackEvent) => void;
