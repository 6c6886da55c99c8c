import { once } from "node:events";
import type { Server, Socket } from "node:net";

/** The local stack never listens on, and never calls, anything but this machine. */
export const LOOPBACK = "127.0.0.1";

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
  /** Stops listening and cuts every connection that is still open. */
  close(): Promise<void>;
}

/** @throws {Error} one line that names the port and the option, where the port is taken or not allowed. */
export async function listen(server: Server, door: Door): Promise<Listening> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.listen(door.port, LOOPBACK);
  try {
    await once(server, "listening");
  } catch (error) {
    throw new Error(refusal(door, error), { cause: error });
  }
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : door.port,
    async close() {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function refusal({ name, port, option }: Door, error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const why =
    code === "EADDRINUSE"
      ? "is taken"
      : code === "EACCES"
        ? "is not allowed to this user"
        : `cannot be used (${String(code)})`;
  return `Port ${port} for the ${name} ${why}; choose another with ${option} PORT.`;
}
