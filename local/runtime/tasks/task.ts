/** One emulated task: a process with the declared environment, and its health. */
import type { ChildProcess } from "node:child_process";
import { watchContainer, watchListening } from "./containerHealth.ts";
import type { Health } from "../../model/health.ts";
import type { DeclaredContainer } from "../../model/container.ts";
import type { Program } from "./program.ts";
import { readLines } from "./readLines.ts";
import type { Registration, Targets } from "./targets.ts";
import { startProcess } from "./taskProcess.ts";

/** The last lines of output, which explain the end of a task. */
const MAX_OUTPUT_LINES = 10;

/** Receives what running tasks report about their load. */
export interface TaskMeter {
  /** @param line in the embedded metric format, of at most `MAX_LINE_BYTES`. */
  onMetrics(id: string, line: string): void;
  /** @param microseconds CPU time since the start of the process. @param atMs time of a clock of the process. */
  onCpuTime(id: string, microseconds: number, atMs: number): void;
}

export interface TaskOptions {
  readonly id: string;
  readonly container: DeclaredContainer;
  readonly targets: Targets;
  readonly program: Program;
  /** The environment that every process of this machine needs. The declared variables replace these. */
  readonly baseEnvironment: Readonly<Record<string, string>>;
  readonly onListening: (port: number) => void;
  /** The health by the target group's and the container's checks together. The reason is that of the last failed check. */
  readonly onHealth: (health: Health, reason: string) => void;
  readonly onOutput: (line: string) => void;
  readonly meter: TaskMeter;
}

export interface TaskEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: readonly string[];
}

/** The faults of a task. */
export interface TaskFaults {
  /** Sends a signal to the process, such as SIGKILL. */
  signal(signal: NodeJS.Signals): void;
  /** Stops the process with SIGSTOP. @returns a function that lets it continue, as the end of this process does. */
  freeze(): () => void;
  /** Whether the health checks of the target group fail from now on. */
  setFailing(isFailing: boolean): void;
}

export interface RunningTask extends TaskFaults {
  readonly id: string;
  /** `undefined` if the process did not start. */
  readonly pid: number | undefined;
  readonly health: Health;
  /** Port of the metrics for Prometheus; `undefined` until they are served. */
  readonly metricsPort: number | undefined;
  /** `undefined` until the server listens. The target is dropped when the process ends. */
  readonly registration: Registration | undefined;
  readonly ended: Promise<TaskEnd>;
  /**
   * Deregisters the target, waits for the deregistration delay unless `skipDelay`, and sends SIGTERM, then SIGKILL after the
   * declared stop timeout. Resolves when the process has ended. A repeated call with `skipDelay` ends the delay of the first one.
   */
  stop(options?: { readonly skipDelay?: boolean }): Promise<void>;
  /** Sends SIGKILL. */
  kill(): void;
}

export function startTask(options: TaskOptions): RunningTask {
  const { container, targets, program, baseEnvironment, meter } = options;
  const gone = new AbortController();
  const listening = new AbortController();
  const output: string[] = [];
  const health = { target: "initial" as Health, container: "initial" as Health };
  let registration: Registration | undefined;
  let metricsPort: number | undefined;
  let isFailing = false;
  let stopping: Promise<void> | undefined;

  const taskProcess = startProcess(program, {
    container,
    baseEnvironment,
    onListening,
    onMetricsPort(port) {
      metricsPort = port;
    },
    onCpuTime(microseconds, atMs) {
      meter.onCpuTime(options.id, microseconds, atMs);
    },
    gone: gone.signal,
  });
  const { child } = taskProcess;

  const ended = endOf(child).then((end) => {
    gone.abort();
    registration?.drop();
    return { ...end, output };
  });

  function updateHealth(part: keyof typeof health, value: Health, reason: string): void {
    const before = combineHealth(health);
    health[part] = value;
    const after = combineHealth(health);
    if (after !== before && !gone.signal.aborted && stopping === undefined) options.onHealth(after, reason);
  }

  function onLine(line: string): void {
    if (isEmbeddedMetrics(line)) {
      meter.onMetrics(options.id, line);
      return;
    }
    output.push(line);
    if (output.length > MAX_OUTPUT_LINES) output.shift();
    options.onOutput(line);
  }

  function onListening(port: number): void {
    if (registration !== undefined || stopping !== undefined) return;
    options.onListening(port);
    registration = targets.register(port, (value, reason) => {
      updateHealth("target", value, reason);
    });
    registration.setFailing(isFailing);
    listening.abort();
  }

  async function stop(): Promise<void> {
    await registration?.deregister();
    taskProcess.signal("SIGTERM");
    const timer = setTimeout(() => {
      taskProcess.signal("SIGKILL");
    }, container.stopTimeoutSeconds * 1000);
    await ended;
    clearTimeout(timer);
  }

  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) readLines(stream, onLine);
  }
  // Such as a command that does not exist.
  child.on("error", ({ message }) => {
    if (child.pid === undefined) onLine(message);
  });
  if (container.healthCheck === undefined) {
    health.container = "healthy";
    void watchListening(
      targets.group.healthCheck,
      taskProcess,
      AbortSignal.any([gone.signal, listening.signal]),
      (reason) => {
        updateHealth("target", "unhealthy", reason);
      },
    );
  } else {
    void watchContainer({
      check: container.healthCheck,
      process: taskProcess,
      port: () => registration?.target.port,
      listening: listening.signal,
      gone: gone.signal,
      onHealth: (value, reason) => {
        updateHealth("container", value, reason);
      },
    });
  }

  return {
    id: options.id,
    pid: child.pid,
    get health() {
      return combineHealth(health);
    },
    get metricsPort() {
      return metricsPort;
    },
    get registration() {
      return registration;
    },
    ended,
    stop({ skipDelay = false } = {}) {
      if (skipDelay) registration?.drop();
      stopping ??= stop();
      return stopping;
    },
    kill() {
      taskProcess.signal("SIGKILL");
    },
    signal(signal) {
      taskProcess.signal(signal);
    },
    freeze: () => taskProcess.freeze(),
    setFailing(fails) {
      isFailing = fails;
      registration?.setFailing(fails);
    },
  };
}

/** Unhealthy if either is, healthy if both are. */
function combineHealth({
  target,
  container,
}: {
  readonly target: Health;
  readonly container: Health;
}): Health {
  if (target === "unhealthy" || container === "unhealthy") return "unhealthy";
  return target === "healthy" && container === "healthy" ? "healthy" : "initial";
}

/**
 * Whether CloudWatch extracts metrics from a line. The local stack does not print such lines.
 * @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 */
function isEmbeddedMetrics(line: string): boolean {
  return line.startsWith('{"_aws":');
}

function endOf(child: ChildProcess): Promise<Pick<TaskEnd, "code" | "signal">> {
  return new Promise((resolve) => {
    // At "close", unlike at "exit", the last output has been read.
    child.once("close", (code, signal) => {
      resolve({ code, signal });
    });
    child.once("error", () => {
      if (child.pid === undefined) resolve({ code: null, signal: null });
    });
  });
}
