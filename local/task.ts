/** One task: a process that runs the server with the declared environment, and its health. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { LOOPBACK } from "./listen.ts";
import { type Health, INITIAL_HEALTH, judge } from "./model/health.ts";
import type { Container, ContainerHealthCheck } from "./model/service.ts";
import type { Registration, Targets } from "./targets.ts";

/** Lines of output that are kept to explain a task's end. */
const KEPT_OUTPUT_LINES = 10;
/** Checks of a container whose health is still unknown: nobody waits for an interval here. */
const INITIAL_CHECK_SPACING_MS = 500;

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
  /** `undefined` until it listens. */
  readonly registration: Registration | undefined;
  readonly ended: Promise<TaskEnd>;
  /**
   * Deregistration, its delay unless `skipDelay`, SIGTERM, and SIGKILL after the declared stop timeout.
   * Resolves when the process has ended; repeated calls share the first one's way.
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
    PORT: "0", // Several tasks share one machine, so the system chooses each one's port.
  };
  const child = spawn(process.execPath, ["--import", underParent(container), entry], {
    env: environment,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    // Away from the terminal's Ctrl-C, which is for the stack alone. (On Windows it would open a window.)
    detached: process.platform !== "win32",
  });
  const gone = new AbortController();
  const output: string[] = [];
  const health = { target: "initial" as Health, container: "initial" as Health };
  if (container.healthCheck === undefined) health.container = "healthy";
  let registration: Registration | undefined;
  let stopping: Promise<void> | undefined;

  const ended = endOf(child).then(async (end) => {
    gone.abort();
    await registration?.deregister().catch(() => undefined);
    return { ...end, output };
  });

  function note(part: keyof typeof health, value: Health, reason: string): void {
    const before = together(health);
    health[part] = value;
    const after = together(health);
    if (after !== before && !gone.signal.aborted && stopping === undefined) options.onHealth(after, reason);
  }

  function onLine(line: string): void {
    output.push(line);
    if (output.length > KEPT_OUTPUT_LINES) output.shift();
    options.onOutput(line);
    const port = registration === undefined ? listeningPort(line) : undefined;
    if (port === undefined) return;
    options.onListening(port);
    const { group } = targets;
    registration = targets.register(port, (value) => {
      note("target", value, `${group.healthCheck.path} did not answer ${group.healthCheck.matcher}`);
    });
    if (container.healthCheck !== undefined) {
      void watchContainer(container.healthCheck, { ...environment, PORT: String(port) });
    }
  }

  async function watchContainer(check: ContainerHealthCheck, env: Record<string, string>): Promise<void> {
    const started = performance.now();
    let state = INITIAL_HEALTH;
    while (!gone.signal.aborted) {
      const passed = await runs([entry, ...check.args], env, check.timeoutSeconds * 1000, gone.signal);
      const counts = passed || performance.now() - started > check.startPeriodSeconds * 1000;
      if (counts) state = judge(state, passed, check.thresholds);
      note("container", state.health, `its health check "${check.args.join(" ")}" failed`);
      const pause = state.health === "initial" ? INITIAL_CHECK_SPACING_MS : check.intervalSeconds * 1000;
      await sleep(pause, undefined, { signal: gone.signal }).catch(() => undefined);
    }
  }

  async function stop(skipDelay: boolean): Promise<void> {
    const deregistered = registration?.deregister();
    if (!skipDelay) await deregistered;
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), container.stopTimeoutSeconds * 1000);
    await ended;
    clearTimeout(timer);
  }

  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) createInterface({ input: stream }).on("line", onLine);
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
      stopping ??= stop(skipDelay);
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

/** The port in the server's log line that says so; `undefined` for any other line. */
function listeningPort(line: string): number | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const entry: unknown = JSON.parse(line);
    const says = typeof entry === "object" && entry !== null && "msg" in entry && "port" in entry;
    return says && entry.msg === "listening" && typeof entry.port === "number" ? entry.port : undefined;
  } catch {
    return undefined; // Not every line that starts like JSON is JSON.
  }
}

function underParent({ stopTimeoutSeconds }: Container): string {
  const url = new URL("underParent.ts", import.meta.url);
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

/** Whether Node runs this command to its end with exit code 0 in time. */
function runs(
  args: readonly string[],
  env: Record<string, string>,
  timeout: number,
  signal: AbortSignal,
): Promise<boolean> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { env, timeout, signal, killSignal: "SIGKILL" }, (error) => {
      resolve(error === null);
    });
  });
}
