/** A container as the process of a task: `docker run` or `podman run`, which end with it. */
import { execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { LOOPBACK } from "../../../cli/loopback.ts";
import { signalAtEnd } from "../../../cli/signalAtEnd.ts";
import { freePort, waitUntilListening } from "./freePort.ts";
import { runCheck } from "./healthCommand.ts";
import type { Program } from "./program.ts";
import type { TaskProcess, TaskProcessOptions } from "./taskProcess.ts";

/** This machine, as containers see it. */
const HOST_ALIAS = "host.docker.internal";

/** Variables that lead the client to its engine. */
const ENGINE_VARIABLES = [
  "CONTAINER_HOST",
  "DOCKER_CONFIG",
  "DOCKER_CONTEXT",
  "DOCKER_HOST",
  "HOME",
  "XDG_RUNTIME_DIR",
];

export function startContainer(
  { engine, image, entryPoint: [entryPoint, ...entryArgs], command }: Extract<Program, { type: "container" }>,
  { container, baseEnvironment, gone, onListening }: TaskProcessOptions,
): TaskProcess {
  const port = freePort();
  const name = `local-${container.name}-${randomUUID()}`;
  const variables: Readonly<Record<string, string>> = {
    ...toHost(container.environment),
    PORT: String(container.port),
  };
  const engineVariables = ENGINE_VARIABLES.flatMap((key) => {
    const value = process.env[key];
    return value === undefined ? [] : [[key, value] as const];
  });
  const clientEnvironment = { ...baseEnvironment, ...Object.fromEntries(engineVariables) };
  // All users of this machine can read a command line, so the values are in the environment of the client.
  const env = { ...clientEnvironment, ...variables };
  const args = [
    ...["run", "--rm", "--name", name, "--publish", `${LOOPBACK}:${port}:${container.port}`],
    ...["--add-host", `${HOST_ALIAS}:host-gateway`],
    ...Object.keys(variables).flatMap((key) => ["--env", key]),
    ...(entryPoint === undefined ? [] : ["--entrypoint", entryPoint]),
    image,
    ...entryArgs,
    ...command,
  ];
  const child = spawn(engine, args, {
    env,
    stdio: ["ignore", "pipe", "pipe"],
    detached: process.platform !== "win32",
  });

  /** Runs a command of the engine about this container. */
  function control(...words: readonly string[]): void {
    execFile(engine, [...words, name], { env: clientEnvironment }, (error) => {
      if (error !== null && words[0] === "kill") child.kill("SIGKILL");
    });
  }

  if (child.pid !== undefined && process.platform !== "win32") {
    gone.addEventListener("abort", signalAtEnd(child.pid, "TERM"));
  }
  void waitUntilListening(port, gone).then((isListening) => {
    if (isListening) onListening(port);
  });

  return {
    child,
    assignedPort: container.port,
    signal(signal) {
      // The client passes other signals to the container.
      if (signal === "SIGKILL") control("kill");
      else child.kill(signal);
    },
    freeze() {
      control("pause");
      return () => {
        control("unpause");
      };
    },
    check({ command: words, timeoutSeconds }, signal) {
      return runCheck(engine, ["exec", name, ...words], {
        name: words.join(" "),
        env: clientEnvironment,
        timeoutSeconds,
        signal,
      });
    },
  };
}

/** Replaces the loopback address in URLs, such as that of the backplane, which is another machine for a container. */
function toHost(environment: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(environment).map(([key, value]) => [
      key,
      value.replace(
        new RegExp(`(://(?:[^@/]*@)?)${LOOPBACK.replaceAll(".", "\\.")}(?=[:/]|$)`),
        `$1${HOST_ALIAS}`,
      ),
    ]),
  );
}
