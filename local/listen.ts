import { once } from "node:events";
import type { Server, Socket } from "node:net";

/** The local stack never listens on, and never calls, anything but this machine. */
export const LOOPBACK = "127.0.0.1";

/** What `localhost` may mean. */
const LOOPBACKS = [LOOPBACK, "::1"] as const;
/** A machine without IPv6 has no second one. */
const NO_SUCH_ADDRESS: readonly unknown[] = ["EADDRNOTAVAIL", "EAFNOSUPPORT"];

export interface Door {
  /** Who listens, for an error: `edge`. */
  readonly name: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** The command line's option that changes it. */
  readonly option: string;
}

export interface Listening {
  readonly port: number;
  /** Stops listening and cuts every connection that is still open. Idempotent. */
  close(): Promise<void>;
}

/**
 * Listens on one port of every address that `localhost` has, with a server for each.
 * @throws {Error} one line that names the port and the option, where the port is taken or not allowed.
 */
export async function listen(createServer: () => Server, door: Door): Promise<Listening> {
  const servers: Server[] = [];
  const sockets = new Set<Socket>();

  async function close(): Promise<void> {
    const closed = servers.splice(0).map(async (server) => {
      server.close();
      await once(server, "close");
    });
    for (const socket of sockets) socket.destroy();
    await Promise.all(closed);
  }

  let { port } = door;
  for (const host of LOOPBACKS) {
    const server = createServer();
    server.on("connection", (socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
    });
    try {
      server.listen(port, host);
      await once(server, "listening");
    } catch (error) {
      if (host !== LOOPBACK && NO_SUCH_ADDRESS.includes(codeOf(error))) continue;
      await close();
      throw new Error(refusal({ ...door, port }, error), { cause: error });
    }
    servers.push(server);
    const address = server.address();
    if (typeof address === "object" && address !== null) ({ port } = address);
  }
  return { port, close };
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
