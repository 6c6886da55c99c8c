/** A command of the user as the process of a task, without a container. */
import { spawn } from "node:child_process";
import path from "node:path";
import { signalAtEnd } from "../../../cli/signalAtEnd.ts";
import type { DeclaredContainer } from "../../model/container.ts";
import { CAN_MEASURE_CPU, cpuMicroseconds } from "./cpuTime.ts";
import { freePort, waitUntilListening } from "./freePort.ts";
import { runCheck } from "./healthCommand.ts";
import type { Program } from "./program.ts";
import type { TaskProcess, TaskProcessOptions } from "./taskProcess.ts";

const CPU_REPORT_MS = 1000;
const IS_WINDOWS = process.platform === "win32";

export function startCommand(
  { words: [file, ...args], folder }: Extract<Program, { type: "command" }>,
  { container, baseEnvironment, gone, onListening, onCpuTime }: TaskProcessOptions,
): TaskProcess {
  const port = freePort();
  const env = {
    ...baseEnvironment,
    // The Node.js that runs this process comes before others.
    PATH: [path.dirname(process.execPath), baseEnvironment["PATH"] ?? ""].join(path.delimiter),
    ...container.environment,
    // The tasks share one machine.
    PORT: String(port),
  };
  // On Windows, npm is a script, which only a shell can run.
  const child = spawn(file, args, {
    cwd: folder,
    env,
    stdio: ["ignore", "pipe", "pipe"],
    detached: !IS_WINDOWS,
    shell: IS_WINDOWS,
  });
  const { pid } = child;

  function signalAll(signal: NodeJS.Signals): void {
    if (pid === undefined) return;
    if (IS_WINDOWS) {
      child.kill(signal);
      return;
    }
    try {
      process.kill(-pid, signal);
    } catch {
      // All processes of the group have ended.
    }
  }

  if (pid !== undefined && !IS_WINDOWS) {
    const release = signalAtEnd(-pid, "KILL");
    gone.addEventListener("abort", release);
    // A container ends with its first process.
    child.once("exit", () => {
      signalAll("SIGKILL");
    });
  }
  void waitUntilListening(port, gone).then((isListening) => {
    if (isListening) onListening(port);
  });
  if (pid !== undefined && CAN_MEASURE_CPU) {
    const timer = setInterval(() => {
      const microseconds = cpuMicroseconds(pid);
      if (microseconds !== undefined) onCpuTime(microseconds, performance.now());
    }, CPU_REPORT_MS);
    gone.addEventListener("abort", () => {
      clearInterval(timer);
    });
  }

  return {
    child,
    assignedPort: port,
    signal(signal) {
      if (signal === "SIGKILL") signalAll(signal);
      else child.kill(signal);
    },
    freeze() {
      signalAll("SIGSTOP");
      return () => {
        signalAll("SIGCONT");
      };
    },
    check({ command, timeoutSeconds }, signal) {
      const words = withLocalPort(command, container, port);
      const [checkFile = "", ...checkArgs] = words;
      return runCheck(checkFile, checkArgs, { name: words.join(" "), env, folder, timeoutSeconds, signal });
    },
  };
}

/** Replaces the declared port in addresses of the own machine, such as `http://localhost:8080/health`, by the local one. */
function withLocalPort(
  words: readonly string[],
  { port: declared }: DeclaredContainer,
  port: number,
): readonly string[] {
  const address = new RegExp(`(localhost|127\\.0\\.0\\.1|0\\.0\\.0\\.0|\\[::1\\]):${declared}\\b`, "g");
  return words.map((word) => word.replace(address, `$1:${port}`));
}
