import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import type { Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { LOOPBACK } from "../../../cli/loopback.ts";
import { findStackAt, recordPort } from "./portRecords.ts";

/** What `localhost` may mean. */
const LOOPBACKS = [LOOPBACK, "::1"] as const;
/** A machine without IPv6 has no second one. */
const NO_SUCH_ADDRESS: readonly unknown[] = ["EADDRNOTAVAIL", "EAFNOSUPPORT"];

/**
 * Connections that the system accepts ahead of the process, which is busy with TLS handshakes while a burst arrives. A full
 * queue resets connections to a port, and refuses those to a socket in a folder. The system may allow fewer (`somaxconn`).
 */
const LISTEN_BACKLOG = 4096;

const SOCKET_FOLDER_PREFIX = "local-stack-";
const SOCKET_NAME = "socket";
/** What `mkdtemp` adds to a prefix. */
const MKDTEMP_SUFFIX_BYTES = 6;
/** The size of `sun_path`, without the byte that ends the path: 108 on Linux, 104 on macOS and the BSDs. */
const MAX_SOCKET_PATH_BYTES = process.platform === "linux" ? 107 : 103;
const MAX_TEMPORARY_FOLDER_BYTES =
  MAX_SOCKET_PATH_BYTES - `/${SOCKET_FOLDER_PREFIX}/${SOCKET_NAME}`.length - MKDTEMP_SUFFIX_BYTES;

/** Where a server of this machine is, in the words of `http.request`. */
export type Address = PortAddress | { readonly socketPath: string };

export interface PortAddress {
  readonly host: string;
  readonly port: number;
}

export interface Door {
  /** Who listens, for an error: `edge`. */
  readonly name: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** The command line's option that changes it. */
  readonly option: string;
}

export interface Listening<At extends Address = Address> {
  readonly address: At;
  /** Stops listening and cuts every connection that is still open. Idempotent. */
  close(): Promise<void>;
}

/**
 * Listens on one port of every address that `localhost` has, with a server for each.
 * @throws {Error} one line that names the port and the option, and the older stack that has the port, if the port is taken or
 * not allowed.
 */
export async function listen(createServer: () => Server, door: Door): Promise<Listening<PortAddress>> {
  const group = new ServerGroup();
  await using starting = new AsyncDisposableStack();
  starting.defer(() => group.close());
  let { port } = door;
  for (const host of LOOPBACKS) {
    const server = createServer();
    try {
      await group.add(server, () => server.listen({ port, host, backlog: LISTEN_BACKLOG }));
    } catch (error) {
      if (host !== LOOPBACK && NO_SUCH_ADDRESS.includes(codeOf(error))) continue;
      throw new Error(await refusal({ ...door, port }, error), { cause: error });
    }
    const address = server.address();
    if (typeof address === "object" && address !== null) ({ port } = address);
  }
  starting.defer(await recordPort(port));
  const listening = starting.move();
  return { address: { host: LOOPBACK, port }, close: () => listening.disposeAsync() };
}

/**
 * Listens on no port, but at a socket in a folder that only this user may enter, and whose name nobody is told: on this
 * machine, what an address of a private network is to the internet.
 * @param temporaryFolders the first one that can hold the socket is used.
 * @throws {Error} one line that names TMPDIR if none of them can.
 */
export async function listenPrivately(
  createServer: () => Server,
  temporaryFolders: readonly string[] = [tmpdir(), "/tmp"],
): Promise<Listening> {
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
  throw new Error(
    `TMPDIR: got ${JSON.stringify(temporaryFolders[0])}; expected a folder that this user may write to, with a path of ` +
      `at most ${MAX_TEMPORARY_FOLDER_BYTES} bytes. Fix: TMPDIR=/tmp npm start`,
    { cause },
  );
}

/** Servers and their connections, which end together. */
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

async function refusal({ name, port, option }: Door, error: unknown): Promise<string> {
  const code = codeOf(error);
  const stack = code === "EADDRINUSE" ? await findStackAt(port) : undefined;
  if (stack !== undefined) {
    return (
      `Port ${port} for the ${name} is taken by an older stack of this project (pid ${stack}). ` +
      `Fix: kill ${stack}, or choose another port with ${option} PORT.`
    );
  }
  const why =
    code === "EADDRINUSE"
      ? "is taken"
      : code === "EACCES"
        ? "is not allowed to this user"
        : `cannot be used (${String(code)})`;
  return `Port ${port} for the ${name} ${why}; choose another with ${option} PORT.`;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
