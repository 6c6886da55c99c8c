/** Our server as the process of a task. A preloaded module reports its ports and its CPU time. */
import { spawn } from "node:child_process";
import { pathToFileURL } from "node:url";
import { SERVER_NODE_OPTIONS } from "../../../app/src/settings/contract.ts";
import { ownModule } from "../../../app/src/settings/ownFiles.ts";
import { settingDefinitions } from "../../../app/src/settings/settings.ts";
import { LOOPBACK } from "../../../cli/loopback.ts";
import { signalAtEnd } from "../../../cli/signalAtEnd.ts";
import type { DeclaredContainer } from "../../model/container.ts";
import { runCheck } from "./healthCommand.ts";
import type { Program } from "./program.ts";
import type { TaskProcess, TaskProcessOptions } from "./taskProcess.ts";

export function startServer(
  { entry }: Extract<Program, { type: "server" }>,
  { container, baseEnvironment, ...options }: TaskProcessOptions,
): TaskProcess {
  const environment = {
    ...baseEnvironment,
    ...container.environment,
    HOST: LOOPBACK,
    // The tasks share one machine, so the system chooses their ports.
    PORT: "0",
    [settingDefinitions.metricsPort.variable]: "0",
  };
  const nodeOptions = [...SERVER_NODE_OPTIONS, "--import", preloadUrl(container)];
  const child = spawn(process.execPath, [...nodeOptions, entry], {
    env: environment,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    // A process group of its own does not get the terminal's Ctrl-C. On Windows it would open a window.
    detached: process.platform !== "win32",
  });
  let port = 0;
  child.on("message", (message) => {
    const { port: reportedPort, metricsPort, cpuMicroseconds, atMs } = numbersIn(message);
    port = reportedPort ?? port;
    if (metricsPort !== undefined) options.onMetricsPort(metricsPort);
    if (reportedPort !== undefined) options.onListening(reportedPort);
    if (cpuMicroseconds !== undefined && atMs !== undefined) options.onCpuTime(cpuMicroseconds, atMs);
  });
  return {
    child,
    signal(signal) {
      child.kill(signal);
    },
    freeze() {
      child.kill("SIGSTOP");
      // A stopped process cannot notice that this one has ended.
      const release = child.pid === undefined ? undefined : signalAtEnd(child.pid, "CONT");
      options.gone.addEventListener("abort", () => release?.());
      return () => {
        release?.();
        child.kill("SIGCONT");
      };
    },
    check({ command: args, timeoutSeconds }, signal) {
      return runCheck(process.execPath, [entry, ...args], {
        name: args.join(" "),
        env: { ...environment, PORT: String(port) },
        timeoutSeconds,
        signal,
      });
    },
  };
}

/** The numbers in a message of `taskPreload.ts`. */
function numbersIn(message: unknown): Readonly<Record<string, number | undefined>> {
  if (typeof message !== "object" || message === null) return {};
  return Object.fromEntries(Object.entries(message).filter(([, value]) => typeof value === "number"));
}

function preloadUrl({ stopTimeoutSeconds }: DeclaredContainer): string {
  const url = pathToFileURL(ownModule("local/runtime/tasks/taskPreload.ts"));
  url.searchParams.set("stopTimeoutMs", String(stopTimeoutSeconds * 1000));
  return url.href;
}
