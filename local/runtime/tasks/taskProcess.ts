/** The process of a task: our server, a command of the user, or a container. */
import type { ChildProcess } from "node:child_process";
import type { ContainerHealthCheck, DeclaredContainer } from "../../model/container.ts";
import { startCommand } from "./commandProcess.ts";
import { startContainer } from "./containerProcess.ts";
import type { Program } from "./program.ts";
import { startServer } from "./serverProcess.ts";

export interface TaskProcess {
  readonly child: ChildProcess;
  /** The number in PORT; `undefined` for our server, which reports the port that the system chooses. */
  readonly assignedPort?: number;
  /** Sends a signal as ECS does: SIGTERM to the first process of the container, SIGKILL to all of them. */
  signal(signal: NodeJS.Signals): void;
  /** Stops all processes of the container. @returns a function that lets them continue, as the end of this process does. */
  freeze(): () => void;
  /**
   * Runs a health check of the container, whose server listens.
   * @returns why it failed; `undefined` if it exited with 0 in time.
   */
  check(check: ContainerHealthCheck, signal: AbortSignal): Promise<string | undefined>;
}

export interface TaskProcessOptions {
  readonly container: DeclaredContainer;
  /** The environment that every process of this machine needs. The declared variables replace these. */
  readonly baseEnvironment: Readonly<Record<string, string>>;
  readonly onListening: (port: number) => void;
  readonly onMetricsPort: (port: number) => void;
  /** @param microseconds CPU time since the start of the process. @param atMs time of a clock of the process. */
  readonly onCpuTime: (microseconds: number, atMs: number) => void;
  /** Aborts when the process has ended. */
  readonly gone: AbortSignal;
}

export function startProcess(program: Program, options: TaskProcessOptions): TaskProcess {
  switch (program.type) {
    case "server":
      return startServer(program, options);
    case "command":
      return startCommand(program, options);
    case "container":
      return startContainer(program, options);
  }
}
