/** One task: a process that runs the server with the declared environment, and its health. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { settingDefinitions } from "../../../app/src/settings/settings.ts";
import { watchContainer, watchSilence } from "./containerHealth.ts";
import { LOOPBACK } from "../../../cli/loopback.ts";
import type { Health } from "../../model/health.ts";
import type { Container } from "../../model/service.ts";
import type { Registration, Targets } from "./targets.ts";

/** Lines of output that are kept to explain a task's end. */
const KEPT_OUTPUT_LINES = 10;

export interface TaskOptions {
  readonly id: string;
  readonly container: Container;
  readonly targets: Targets;
  /** The server's source file, which stands for the image. */
  readonly entry: string;
  /** What every process of this system needs, and the container declares nothing about. */
  readonly baseEnvironment: Readonly<Record<string, string>>;
  readonly onListening: (port: number) => void;
  /** Both judges together: the target group's checks and the container's own. */
  readonly onHealth: (health: Health, reason: string) => void;
  readonly onOutput: (line: string) => void;
}

export interface TaskEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: readonly string[];
}

export interface Task {
  readonly id: string;
  /** `undefined` where the process could not be started. */
  readonly pid: number | undefined;
  readonly health: Health;
  /** `undefined` until it listens. A target whose process is gone has been dropped. */
  readonly registration: Registration | undefined;
  readonly ended: Promise<TaskEnd>;
  /**
   * Deregistration, its delay unless `skipDelay`, SIGTERM, and SIGKILL after the declared stop timeout.
   * Resolves when the process has ended. Repeated calls share the first one's way, and may cut its delay short.
   */
  stop(options?: { readonly skipDelay?: boolean }): Promise<void>;
  /** SIGKILL. */
  kill(): void;
}

export function startTask(options: TaskOptions): Task {
  const { container, targets, entry } = options;
  const environment = {
    ...options.baseEnvironment,
    ...container.environment,
    HOST: LOOPBACK,
    // Several tasks share one machine, so the system chooses each one's ports.
    PORT: "0",
    [settingDefinitions.metricsPort.variable]: "0",
  };
  const child = spawn(process.execPath, ["--import", preloadUrl(container), entry], {
    env: environment,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    // Away from the terminal's Ctrl-C, which is for the stack alone. (On Windows it would open a window.)
    detached: process.platform !== "win32",
  });
  const gone = new AbortController();
  const listening = new AbortController();
  const output: string[] = [];
  const health = { target: "initial" as Health, container: "initial" as Health };
  let registration: Registration | undefined;
  let stopping: Promise<void> | undefined;

  const ended = endOf(child).then((end) => {
    gone.abort();
    registration?.drop();
    return { ...end, output };
  });

  function note(part: keyof typeof health, value: Health, reason: string): void {
    const before = together(health);
    health[part] = value;
    const after = together(health);
    if (after !== before && !gone.signal.aborted && stopping === undefined) options.onHealth(after, reason);
  }

  function onLine(line: string): void {
    if (isMetrics(line)) return;
    output.push(line);
    if (output.length > KEPT_OUTPUT_LINES) output.shift();
    options.onOutput(line);
  }

  function onListening(port: number): void {
    if (registration !== undefined || stopping !== undefined) return;
    options.onListening(port);
    const { path, matcher } = targets.group.healthCheck;
    registration = targets.register(port, (value) => {
      note("target", value, `${path} did not answer ${matcher}`);
    });
    listening.abort();
  }

  async function stop(): Promise<void> {
    await registration?.deregister();
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), container.stopTimeoutSeconds * 1000);
    await ended;
    clearTimeout(timer);
  }

  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) createInterface({ input: stream }).on("line", onLine);
  }
  child.on("message", (message) => {
    const port = portIn(message);
    if (port !== undefined) onListening(port);
  });
  if (container.healthCheck === undefined) {
    health.container = "healthy";
    void watchSilence(
      targets.group.healthCheck,
      AbortSignal.any([gone.signal, listening.signal]),
      (reason) => {
        note("target", "unhealthy", reason);
      },
    );
  } else {
    void watchContainer({
      check: container.healthCheck,
      entry,
      environment,
      port: () => registration?.target.port,
      listening: listening.signal,
      gone: gone.signal,
      onHealth: (value, reason) => {
        note("container", value, reason);
      },
    });
  }

  return {
    id: options.id,
    pid: child.pid,
    get health() {
      return together(health);
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
      child.kill("SIGKILL");
    },
  };
}

/** Unhealthy where either judge says so, healthy where both do. */
function together({ target, container }: { readonly target: Health; readonly container: Health }): Health {
  if (target === "unhealthy" || container === "unhealthy") return "unhealthy";
  return target === "healthy" && container === "healthy" ? "healthy" : "initial";
}

/**
 * Whether CloudWatch would make metrics of a line, and nobody would read it (Amazon CloudWatch User Guide, "Specification:
 * Embedded metric format").
 */
function isMetrics(line: string): boolean {
  return line.startsWith('{"_aws":');
}

/** The port in the message of `taskPreload.ts`. */
function portIn(message: unknown): number | undefined {
  const has = typeof message === "object" && message !== null && "port" in message;
  return has && typeof message.port === "number" ? message.port : undefined;
}

function preloadUrl({ stopTimeoutSeconds }: Container): string {
  const url = new URL("taskPreload.ts", import.meta.url);
  url.searchParams.set("stopTimeoutMs", String(stopTimeoutSeconds * 1000));
  return url.href;
}

function endOf(child: ChildProcess): Promise<Pick<TaskEnd, "code" | "signal">> {
  return new Promise((resolve) => {
    // "close" and not "exit": the last output has been read by then.
    child.once("close", (code, signal) => {
      resolve({ code, signal });
    });
    child.once("error", () => {
      if (child.pid === undefined) resolve({ code: null, signal: null });
    });
  });
}
