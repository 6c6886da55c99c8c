/** The processes of a benchmark: servers, and a generator for each run. None outlives it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { freePort } from "../cli/valkeyServer.ts";
import type { FiguresOf, Outcome, Run, Target } from "./generator/runs.ts";
import { pinned } from "./pinning.ts";

export const LOOPBACK = "127.0.0.1";

const UNDER_BENCH = new URL("./underBench.ts", import.meta.url).href;
const GENERATOR = fileURLToPath(new URL("./generator/main.ts", import.meta.url));

const START_TIMEOUT_MS = 20_000;
/** Of a server's output, to explain why it did not start. */
const OUTPUT_EXCERPT_CHARACTERS = 2000;

export interface ServerProcess {
  readonly pid: number;
  readonly port: number;
  /** SIGKILL; resolves when the process is gone. Idempotent. */
  stop(): Promise<void>;
}

export interface ServerOptions {
  readonly name: string;
  /** The source file that Node runs. */
  readonly entry: string;
  /** HOST and PORT are added. */
  readonly environment: Readonly<Record<string, string>>;
  readonly cpu: number | undefined;
  /** Takes the output: a file costs the server what it costs in production, and nobody else anything. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** A server does not listen; with the end of its output. */
export class StartError extends Error {
  override readonly name = "StartError";
}

/**
 * Starts a server and waits until it listens.
 * @throws {StartError} where it does not.
 */
export async function startServer(options: ServerOptions): Promise<ServerProcess> {
  const { name, entry, environment, cpu, folder, signal } = options;
  const port = await freePort();
  const outputFile = path.join(folder, `${name}-${port}.log`);
  const output = openSync(outputFile, "w");
  const [file, args] = pinned(cpu, process.execPath, ["--import", UNDER_BENCH, entry]);
  const child = spawn(file, args, {
    env: { ...environment, HOST: LOOPBACK, PORT: String(port) },
    stdio: ["ignore", output, output, "ipc"],
  });
  closeSync(output);
  const stop = stopperOf(child);
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
    const said = readFileSync(outputFile, "utf8").slice(-OUTPUT_EXCERPT_CHARACTERS);
    throw new StartError(`${name} does not listen: ${String(error)}\n${said}`, { cause: error });
  }
}

/** Has a process of its own perform a run. */
export async function generate<R extends Run>(
  run: R,
  target: Target,
  cpu: number | undefined,
  signal: AbortSignal,
): Promise<Outcome<FiguresOf[R["kind"]]>> {
  const [file, args] = pinned(cpu, process.execPath, [GENERATOR]);
  const child = spawn(file, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const stop = stopperOf(child);
  try {
    child.send({ run, target });
    const answer = (await Promise.race([
      once(child, "message", { signal }),
      once(child, "exit", { signal }).then(() => {
        throw new Error("The load generator ended without an answer.");
      }),
    ])) as readonly unknown[];
    // The generator is of the same version: it answers a run with its own figures.
    return answer[0] as Outcome<FiguresOf[R["kind"]]>;
  } finally {
    await stop();
  }
}

function stopperOf(child: ChildProcess): () => Promise<void> {
  const gone = new Promise<void>((resolve) => {
    child.once("close", () => {
      resolve();
    });
    // It could not be started; "close" comes, too, where it could.
    child.once("error", () => {
      resolve();
    });
  });
  return () => {
    child.kill("SIGKILL");
    return gone;
  };
}
