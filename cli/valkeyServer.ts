/** Runs the valkey-server of this machine as a child process, for development, benchmarks and tests. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

import { ExpectedError } from "../app/src/settings/expectedError.ts";
import { childEnvironment } from "./childEnvironment.ts";
import { isExecutable } from "./executable.ts";
import { homeFolder } from "./homeFolder.ts";
import { LOOPBACK } from "./loopback.ts";
import { signalAtEnd } from "./signalAtEnd.ts";

/** The message log works with Valkey, and with Redis since version 7. */
const PROGRAMS = ["valkey-server", "redis-server"];
const MIN_MAJOR_VERSION = 7;

/** Package managers install programs here, even if `PATH` does not contain the folder. */
const INSTALL_FOLDERS = ["/usr/local/bin", "/opt/homebrew/bin", "/usr/bin"];
/** The same, relative to the user's home folder. */
const USER_INSTALL_FOLDER = ".local/bin";

/** Attempts to start, each on another port that was free a moment ago. */
const MAX_PORT_ATTEMPTS = 5;

const READY = "Ready to accept connections";
const PORT_TAKEN = "Address already in use";

/** The last lines of output, which explain why the server did not start. */
const MAX_OUTPUT_LINES = 10;

/** Maximum time between SIGTERM and SIGKILL. */
const STOP_TIMEOUT_MS = 2000;

const run = promisify(execFile);

/** A directive of the configuration file. */
export type Directive = readonly [name: string, ...args: (string | number)[]];

export interface ValkeyServerOptions {
  /** Path of the program, from {@link findValkeyServer}. */
  readonly binary: string;
  /** @default none: every user of this machine has access */
  readonly password?: string;
  /** @default a free port */
  readonly port?: number;
  /** Additional directives. Without any, the server stores nothing on disk. */
  readonly directives?: readonly Directive[];
}

export interface ValkeyServer {
  /** `redis://HOST:PORT`, without the password. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Resolves when the process has ended, for whatever reason. */
  readonly ended: Promise<void>;
  /** Sends SIGKILL. */
  kill(): void;
  /** Sends SIGTERM, and SIGKILL if the process does not end. Idempotent. */
  close(): Promise<void>;
}

/**
 * @param searchPath folders that are searched first, in the form of `PATH`.
 * @returns the path of a server in a supported version; `undefined` if this machine has none.
 */
export async function findValkeyServer(searchPath = ""): Promise<string | undefined> {
  const home = homeFolder();
  const folders = [
    ...searchPath.split(path.delimiter).filter((folder) => folder !== ""),
    ...(home === undefined ? [] : [path.join(home, USER_INSTALL_FOLDER)]),
    ...INSTALL_FOLDERS,
  ];
  for (const program of PROGRAMS) {
    for (const folder of folders) {
      const binary = path.join(folder, program);
      if (await isSupported(binary)) return binary;
    }
  }
  return undefined;
}

/**
 * Starts a server on the loopback address. It accepts connections when the promise resolves.
 * @throws {ExpectedError} with the last lines of its output if it does not start.
 */
export async function startValkeyServer(options: ValkeyServerOptions): Promise<ValkeyServer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(options, options.port ?? (await freePort()));
    } catch (error) {
      const canRetry = options.port === undefined && attempt < MAX_PORT_ATTEMPTS;
      if (!canRetry || !(error instanceof Error) || !error.message.includes(PORT_TAKEN)) throw error;
    }
  }
}

async function start(
  { binary, password, directives = [] }: ValkeyServerOptions,
  port: number,
): Promise<ValkeyServer> {
  const child = spawn(binary, ["-"], {
    env: childEnvironment(process.env),
    stdio: ["pipe", "pipe", "inherit"],
    // A process group of its own does not get the terminal's Ctrl-C.
    detached: process.platform !== "win32",
  });
  const releaseGuard = child.pid === undefined ? undefined : signalAtEnd(child.pid, "KILL");
  const ended = new Promise<void>((resolve) => {
    child.once("error", () => {
      resolve();
    });
    child.once("exit", () => {
      releaseGuard?.();
      resolve();
    });
  });

  const output: string[] = [];
  const ready = Promise.withResolvers<undefined>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    output.push(line);
    if (output.length > MAX_OUTPUT_LINES) output.shift();
    if (line.includes(READY)) ready.resolve(undefined);
  });
  child.once("error", ready.reject);
  child.once("close", (code) => {
    ready.reject(new ExpectedError([`${binary} exited with ${code}:`, ...output].join("\n")));
  });

  // All users of this machine can read a command line, so the password is in the input.
  child.stdin.on("error", () => undefined);
  child.stdin.end(
    configuration([
      ["bind", LOOPBACK],
      ["port", port],
      ["save", ""],
      ["appendonly", "no"],
      ...(password === undefined ? [] : ([["requirepass", password]] as const)),
      ...directives,
    ]),
  );
  await ready.promise;

  return {
    url: `redis://${LOOPBACK}:${port}`,
    port,
    // A child that has written a line has an id.
    pid: child.pid ?? 0,
    ended,
    kill() {
      child.kill("SIGKILL");
    },
    async close() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}

function configuration(directives: readonly Directive[]): string {
  return directives.map(([name, ...args]) => `${name} ${args.map(quote).join(" ")}\n`).join("");
}

/** The configuration file has the escape sequences of JSON. */
function quote(text: string | number): string {
  return JSON.stringify(String(text));
}

/** Returns a port that was free a moment ago, for servers that cannot listen on port 0. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, LOOPBACK);
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (typeof address !== "object" || address === null) throw new Error("A TCP server has a port.");
  return address.port;
}

/** `Valkey server v=9.1.2 sha=…`, `Redis server v=7.0.15 sha=…`. */
async function isSupported(binary: string): Promise<boolean> {
  if (!isExecutable(binary)) return false;
  try {
    const { stdout } = await run(binary, ["--version"], { env: childEnvironment(process.env) });
    return Number(/ v=(\d+)\./.exec(stdout)?.[1]) >= MIN_MAJOR_VERSION;
  } catch {
    // The program is for another architecture, or is no server.
    return false;
  }
}
