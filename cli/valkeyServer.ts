/** A real Valkey of this machine, as a child process. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

import { childEnvironment } from "./childEnvironment.ts";
import { isExecutable } from "./executable.ts";
import { homeFolder } from "./homeFolder.ts";
import { LOOPBACK } from "./loopback.ts";

/** Either one will do: Redis has what the message log needs since version 7. */
const PROGRAMS = ["valkey-server", "redis-server"];
const LEAST_MAJOR_VERSION = 7;

/** Where package managers put programs, and a `PATH` may not lead. */
const USUAL_FOLDERS = ["/usr/local/bin", "/opt/homebrew/bin", "/usr/bin"];
/** The same, in the user's home. */
const USERS_FOLDER = ".local/bin";

/** Attempts to start on a port that was free a moment ago. */
const PORT_ATTEMPTS = 5;

const READY = "Ready to accept connections";
const PORT_TAKEN = "Address already in use";

/** Lines of output that are kept to explain an end. */
const KEPT_OUTPUT_LINES = 10;

/** Time that it gets to stop, in milliseconds. */
const STOP_TIMEOUT_MS = 2000;

const run = promisify(execFile);

/** A line of its configuration file: a directive, and its arguments. */
export type Directive = readonly [name: string, ...args: (string | number)[]];

export interface ValkeyServerOptions {
  /** The program, as {@link findValkeyServer} finds it. */
  readonly binary: string;
  /** None by default: every user of this machine may then use it. */
  readonly password?: string;
  /** By default one that is free. */
  readonly port?: number;
  /** What else it is configured by. By default it keeps nothing on disk. */
  readonly directives?: readonly Directive[];
}

export interface ValkeyServer {
  /** `redis://HOST:PORT`, without the password. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Resolves when the process has ended, however. */
  readonly ended: Promise<void>;
  /** SIGTERM, and SIGKILL where that does not end it. Idempotent. */
  close(): Promise<void>;
}

/**
 * @param searchPath folders to look in first, as `PATH` gives them.
 * @returns the path of a server that is new enough; nothing where this machine has none.
 */
export async function findValkeyServer(searchPath = ""): Promise<string | undefined> {
  const home = homeFolder();
  const folders = [
    ...searchPath.split(path.delimiter).filter((folder) => folder !== ""),
    ...(home === undefined ? [] : [path.join(home, USERS_FOLDER)]),
    ...USUAL_FOLDERS,
  ];
  for (const program of PROGRAMS) {
    for (const folder of folders) {
      const binary = path.join(folder, program);
      if (await isNewEnough(binary)) return binary;
    }
  }
  return undefined;
}

/**
 * Starts one on the loopback address; it answers when the promise resolves.
 * @throws {Error} with its last words, where it does not start.
 */
export async function startValkeyServer(options: ValkeyServerOptions): Promise<ValkeyServer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(options, options.port ?? (await freePort()));
    } catch (error) {
      const mayHelp = options.port === undefined && attempt < PORT_ATTEMPTS;
      if (!mayHelp || !(error instanceof Error) || !error.message.includes(PORT_TAKEN)) throw error;
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
    // Away from the terminal's Ctrl-C, which is for whoever started it.
    detached: process.platform !== "win32",
  });
  const unguard = child.pid === undefined ? undefined : guard(child.pid);
  const ended = new Promise<void>((resolve) => {
    child.once("error", () => {
      resolve();
    });
    child.once("exit", () => {
      unguard?.();
      resolve();
    });
  });

  const output: string[] = [];
  const ready = Promise.withResolvers<undefined>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    output.push(line);
    if (output.length > KEPT_OUTPUT_LINES) output.shift();
    if (line.includes(READY)) ready.resolve(undefined);
  });
  child.once("error", ready.reject);
  child.once("close", (code) => {
    ready.reject(new Error([`${binary} ended with ${code}:`, ...output].join("\n")));
  });

  // By its input: a command line would show the password to everybody on this machine.
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
    // A child that wrote a line has an id.
    pid: child.pid ?? 0,
    ended,
    async close() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}

/**
 * Ends a process with this one, however this one ends: a shell reads from this process, and when that is over, it kills.
 * @returns its undo.
 */
function guard(pid: number): () => void {
  const shell = spawn("sh", ["-c", 'read -r _; kill -9 "$0"', String(pid)], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  // Without a shell, the process outlives this one where this one is killed.
  shell.on("error", () => undefined);
  shell.stdin.on("error", () => undefined);
  return () => {
    shell.kill("SIGKILL");
  };
}

function configuration(directives: readonly Directive[]): string {
  return directives.map(([name, ...args]) => `${name} ${args.map(quoted).join(" ")}\n`).join("");
}

/** As its configuration file wants it: JSON's escapes of these are its own. */
function quoted(text: string | number): string {
  return JSON.stringify(String(text));
}

/** A port that was free a moment ago: Valkey does not let the system choose one. */
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
async function isNewEnough(binary: string): Promise<boolean> {
  if (!isExecutable(binary)) return false;
  try {
    const { stdout } = await run(binary, ["--version"], { env: childEnvironment(process.env) });
    return Number(/ v=(\d+)\./.exec(stdout)?.[1]) >= LEAST_MAJOR_VERSION;
  } catch {
    // Not a program of this machine.
    return false;
  }
}
