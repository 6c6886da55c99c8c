/** The processes of the benchmark: servers, and one generator per run. They end with the benchmark. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { ExpectedError } from "../app/src/settings/expectedError.ts";
import { LOOPBACK } from "../cli/loopback.ts";
import { freePort } from "../cli/valkeyServer.ts";
import type { FiguresOf, RunOutcome, Run, RunTarget } from "./generator/runs.ts";
import { pinned } from "./pinning.ts";

const UNDER_BENCH = new URL("./underBench.ts", import.meta.url).href;
const GENERATOR = fileURLToPath(new URL("./generator/main.ts", import.meta.url));

const START_TIMEOUT_MS = 20_000;
const LISTEN_POLL_MS = 20;
/** Characters of the output of a server that does not start. */
const OUTPUT_EXCERPT_CHARACTERS = 2000;

export interface ServerProcess {
  readonly pid: number;
  readonly port: number;
  /** Sends SIGKILL, and resolves when the process has ended. Idempotent. */
  stop(): Promise<void>;
}

/** What a process in front of a server needs. */
export interface FrontOptions {
  /** The port of the server. */
  readonly upstreamPort: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly cpu: number | undefined;
  readonly folder: string;
  readonly signal: AbortSignal;
}

export interface ServerOptions {
  readonly name: string;
  /** The source file that Node runs. */
  readonly entry: string;
  /** The options of Node.js. @default none */
  readonly nodeOptions?: readonly string[] | undefined;
  /** Without HOST and PORT. */
  readonly environment: Readonly<Record<string, string>>;
  readonly cpu: number | undefined;
  /** Folder for the output. Writing to a file has the cost of production, and takes no time of the generator. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/**
 * Starts a server and waits until it listens.
 * @throws {ExpectedError} with the end of its output, if it does not listen.
 */
export async function startServer(options: ServerOptions): Promise<ServerProcess> {
  const { name, entry, nodeOptions = [], environment, cpu, folder, signal } = options;
  const port = await freePort();
  const outputFile = path.join(folder, `${name}-${port}.log`);
  const output = openSync(outputFile, "w");
  const [file, args] = pinned(cpu, process.execPath, [...nodeOptions, "--import", UNDER_BENCH, entry]);
  const child = spawn(file, args, {
    env: { ...environment, HOST: LOOPBACK, PORT: String(port) },
    stdio: ["ignore", output, output, "ipc"],
  });
  closeSync(output);
  const stop = stopOf(child);
  const timeout = AbortSignal.any([signal, AbortSignal.timeout(START_TIMEOUT_MS)]);
  try {
    const { pid } = child;
    if (pid === undefined) throw new Error("it could not be started");
    await Promise.race([
      once(child, "message", { signal: timeout }),
      once(child, "exit", { signal: timeout }).then(() => {
        throw new Error("it ended");
      }),
    ]);
    return { pid, port, stop };
  } catch (error) {
    await stop();
    if (signal.aborted) throw error;
    const excerpt = readFileSync(outputFile, "utf8").slice(-OUTPUT_EXCERPT_CHARACTERS);
    throw new ExpectedError(`${name} does not listen: ${String(error)}\n${excerpt}`, { cause: error });
  }
}

/** Performs a run in a new process. */
export async function generate<R extends Run>(
  run: R,
  target: RunTarget,
  cpu: number | undefined,
  signal: AbortSignal,
): Promise<RunOutcome<FiguresOf[R["kind"]]>> {
  const [file, args] = pinned(cpu, process.execPath, [GENERATOR]);
  const child = spawn(file, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const stop = stopOf(child);
  try {
    child.send({ run, target });
    const answer = (await Promise.race([
      once(child, "message", { signal }),
      once(child, "exit", { signal }).then(() => {
        throw new Error("The load generator ended without an answer.");
      }),
    ])) as readonly unknown[];
    // The generator has the same version, and answers with the figures of the run.
    return answer[0] as RunOutcome<FiguresOf[R["kind"]]>;
  } finally {
    await stop();
  }
}

/**
 * Waits until a program that is no Node.js program accepts connections.
 * @throws {ExpectedError} if it ends, or does not listen in time.
 */
export async function untilListening(
  name: string,
  child: ChildProcess,
  port: number,
  signal: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!(await accepts(port))) {
    if (child.pid === undefined || child.exitCode !== null || performance.now() > deadline) {
      throw new ExpectedError(`${name} does not listen (exit code ${String(child.exitCode)}).`);
    }
    await sleep(LISTEN_POLL_MS, undefined, { signal });
  }
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, LOOPBACK);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

export function stopOf(child: ChildProcess): () => Promise<void> {
  const ended = new Promise<void>((resolve) => {
    child.once("close", () => {
      resolve();
    });
    // Node emits no "close" if the process cannot be started.
    child.once("error", () => {
      resolve();
    });
  });
  return () => {
    child.kill("SIGKILL");
    return ended;
  };
}
