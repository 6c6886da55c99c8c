import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { ExpectedError } from "../../../app/src/settings/expectedError.ts";
import { commandOf } from "../../../cli/commandNames.ts";
import { LOOPBACK } from "../../../cli/loopback.ts";
import { findStackAt, recordPort } from "./portRecords.ts";

/** The addresses of `localhost`. */
const LOOPBACK_ADDRESSES = [LOOPBACK, "::1"] as const;
/** Error codes for an address that the machine does not have, such as `::1` without IPv6. */
const MISSING_ADDRESS_CODES: readonly unknown[] = ["EADDRNOTAVAIL", "EAFNOSUPPORT"];

/**
 * Connections that the system queues while this process is busy, such as with TLS handshakes. If the queue is full, the system
 * resets connections to a port, and refuses those to a socket in a folder. The system may have a lower limit (`somaxconn`).
 */
const LISTEN_BACKLOG = 4096;

const SOCKET_FOLDER_PREFIX = "local-stack-";
const SOCKET_NAME = "socket";
/** The length of the suffix that `mkdtemp` appends. */
const MKDTEMP_SUFFIX_BYTES = 6;
/** The size of `sun_path`, without the final zero byte: 108 bytes on Linux, 104 on macOS and the BSDs. */
const MAX_SOCKET_PATH_BYTES = process.platform === "linux" ? 107 : 103;
const MAX_TEMPORARY_FOLDER_BYTES =
  MAX_SOCKET_PATH_BYTES - `/${SOCKET_FOLDER_PREFIX}/${SOCKET_NAME}`.length - MKDTEMP_SUFFIX_BYTES;

/** The address of a server of this machine, as options of `http.request`. */
export type ServerAddress = PortAddress | { readonly socketPath: string };

export interface PortAddress {
  readonly host: string;
  readonly port: number;
}

export interface ListenPort {
  /** The server's name in errors, such as `edge`. */
  readonly name: string;
  /** 0 for any free port. */
  readonly port: number;
  /** The command-line option that changes the port, such as `--edge-port`. */
  readonly option: string;
}

export interface ListeningServer<Address extends ServerAddress = ServerAddress> {
  readonly address: Address;
  /** Stops listening, and destroys the open connections. Idempotent. */
  close(): Promise<void>;
}

/**
 * Listens on the same port of every address of `localhost`, with one server for each.
 * @throws {ExpectedError} if the port is taken or not allowed. It names the port, the option, and the other stack that has the port.
 */
export async function listenOnLocalhost(
  createServer: () => Server,
  listenPort: ListenPort,
): Promise<ListeningServer<PortAddress>> {
  const group = new ServerGroup();
  await using starting = new AsyncDisposableStack();
  starting.defer(() => group.close());
  let { port } = listenPort;
  for (const host of LOOPBACK_ADDRESSES) {
    const server = createServer();
    try {
      await group.add(server, () => server.listen({ port, host, backlog: LISTEN_BACKLOG }));
    } catch (error) {
      if (host !== LOOPBACK && MISSING_ADDRESS_CODES.includes(codeOf(error))) continue;
      throw new ExpectedError(await describeListenError({ ...listenPort, port }, error), { cause: error });
    }
    const address = server.address();
    if (typeof address === "object" && address !== null) ({ port } = address);
  }
  starting.defer(await recordPort(port));
  const listening = starting.move();
  return { address: { host: LOOPBACK, port }, close: () => listening.disposeAsync() };
}

/** @throws {ExpectedError} that names every port that is taken. Listening names only the first one. */
export async function checkPorts(listenPorts: readonly ListenPort[]): Promise<void> {
  const attempts = listenPorts.map(async (listenPort) => {
    const listening = await listenOnLocalhost(createTcpServer, listenPort);
    await listening.close();
  });
  const results = await Promise.allSettled(attempts);
  const errors = results.flatMap((result) =>
    result.status === "rejected" ? [result.reason as unknown] : [],
  );
  if (errors.length === 0) return;
  throw new ExpectedError(errors.map((error) => (error instanceof Error ? error.message : "")).join("\n"));
}

/**
 * Listens on a socket in a new folder that only this user may enter, and on no port: it emulates an address in a private network.
 * @param temporaryFolders the socket is created in the first suitable one.
 * @throws {ExpectedError} that names TMPDIR if no folder is suitable.
 */
export async function listenPrivately(
  createServer: () => Server,
  temporaryFolders: readonly string[] = [tmpdir(), "/tmp"],
): Promise<ListeningServer> {
  const group = new ServerGroup();
  await using starting = new AsyncDisposableStack();
  starting.defer(() => group.close());
  let socketPath = `\\\\.\\pipe\\local-stack-${randomUUID()}`;
  if (process.platform !== "win32") {
    const folder = await createSocketFolder(temporaryFolders);
    starting.defer(() => rm(folder, { recursive: true, force: true }));
    socketPath = path.join(folder, SOCKET_NAME);
  }
  const server = createServer();
  await group.add(server, () => server.listen({ path: socketPath, backlog: LISTEN_BACKLOG }));
  const listening = starting.move();
  return { address: { socketPath }, close: () => listening.disposeAsync() };
}

async function createSocketFolder(temporaryFolders: readonly string[]): Promise<string> {
  let cause: unknown;
  for (const temporary of temporaryFolders) {
    const prefix = path.join(temporary, SOCKET_FOLDER_PREFIX);
    const socketPath = path.join(`${prefix}${"X".repeat(MKDTEMP_SUFFIX_BYTES)}`, SOCKET_NAME);
    if (Buffer.byteLength(socketPath) > MAX_SOCKET_PATH_BYTES) continue;
    try {
      return await mkdtemp(prefix);
    } catch (error) {
      cause = error;
    }
  }
  throw new ExpectedError(
    `\`TMPDIR\`: got ${JSON.stringify(temporaryFolders[0])}; expected a folder that this user may write to, with a path of ` +
      `at most ${MAX_TEMPORARY_FOLDER_BYTES} bytes. Fix: \`TMPDIR=/tmp ${commandOf("start")}\``,
    { cause },
  );
}

/** Servers that close together, with their connections. */
class ServerGroup {
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();

  async add(server: Server, start: () => void): Promise<void> {
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    start();
    await once(server, "listening");
    this.#servers.push(server);
  }

  async close(): Promise<void> {
    const closed = this.#servers.splice(0).map(async (server) => {
      server.close();
      await once(server, "close");
    });
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closed);
  }
}

async function describeListenError({ name, port, option }: ListenPort, error: unknown): Promise<string> {
  const code = codeOf(error);
  const stack = code === "EADDRINUSE" ? await findStackAt(port) : undefined;
  if (stack !== undefined) {
    return (
      `Port ${port} for the ${name} is taken by another running stack of this project (pid ${stack}). ` +
      `Fix: \`kill ${stack}\`, or pass \`${option} PORT\` with another port`
    );
  }
  const reason =
    code === "EADDRINUSE"
      ? "is taken"
      : code === "EACCES"
        ? "is not allowed for this user"
        : `cannot be used (${String(code)})`;
  return `Port ${port} for the ${name} ${reason}. Fix: pass \`${option} PORT\` with another port`;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
