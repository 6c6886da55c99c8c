import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import type { Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

/** The local stack never listens on, and never calls, anything but this machine. */
export const LOOPBACK = "127.0.0.1";

/** What `localhost` may mean. */
const LOOPBACKS = [LOOPBACK, "::1"] as const;
/** A machine without IPv6 has no second one. */
const NO_SUCH_ADDRESS: readonly unknown[] = ["EADDRNOTAVAIL", "EAFNOSUPPORT"];

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
 * @throws {Error} one line that names the port and the option, where the port is taken or not allowed.
 */
export async function listen(createServer: () => Server, door: Door): Promise<Listening<PortAddress>> {
  const group = new ServerGroup();
  let { port } = door;
  for (const host of LOOPBACKS) {
    const server = createServer();
    try {
      await group.add(server, () => server.listen(port, host));
    } catch (error) {
      if (host !== LOOPBACK && NO_SUCH_ADDRESS.includes(codeOf(error))) continue;
      await group.close();
      throw new Error(refusal({ ...door, port }, error), { cause: error });
    }
    const address = server.address();
    if (typeof address === "object" && address !== null) ({ port } = address);
  }
  return { address: { host: LOOPBACK, port }, close: () => group.close() };
}

/**
 * Listens on no port, but at a socket in a folder that only this user may enter, and whose name nobody is told: on this
 * machine, what an address of a private network is to the internet.
 */
export async function listenPrivately(createServer: () => Server): Promise<Listening> {
  const folder = await mkdtemp(path.join(tmpdir(), "local-stack-"));
  const socketPath =
    process.platform === "win32" ? `\\\\.\\pipe\\${path.basename(folder)}` : path.join(folder, "socket");
  const group = new ServerGroup();
  const server = createServer();
  await group.add(server, () => server.listen(socketPath));
  return {
    address: { socketPath },
    async close() {
      await group.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
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

function refusal({ name, port, option }: Door, error: unknown): string {
  const code = codeOf(error);
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
