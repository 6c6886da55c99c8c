/** The backplane at work: a real server where this machine has one, else the embedded stand-in. */
import { LOOPBACK } from "./listen.ts";
import type { Backplane, BackplaneAddress } from "./model/backplane.ts";
import { startStandIn } from "./standInValkey/server.ts";
import { startValkeyServer } from "./valkeyServer.ts";

export interface RunningBackplane {
  readonly address: BackplaneAddress;
  /** Idempotent. */
  close(): Promise<void>;
}

/**
 * Starts it with the declared user, and nobody else.
 * @param binary a valkey-server; the stand-in without one.
 * @throws {Error} with the server's last words, where it does not start.
 */
export async function startBackplane(
  { user }: Backplane,
  binary: string | undefined,
): Promise<RunningBackplane> {
  if (binary === undefined) {
    const standIn = await startStandIn(user);
    return {
      address: { host: LOOPBACK, port: standIn.port, cluster: true },
      close: () => standIn.close(),
    };
  }
  const server = await startValkeyServer({
    binary,
    directives: [
      ["user", "default", "off"],
      ["user", user.name, `>${user.password}`, ...user.access.split(" ")],
    ],
  });
  return {
    // A cluster of its own would take it seconds to form.
    address: { host: LOOPBACK, port: server.port, cluster: false },
    close: () => server.close(),
  };
}
