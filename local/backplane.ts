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
 * What ElastiCache Serverless does at its cap: keys that expire leave, the least recently used first.
 * @see https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Scaling.html
 */
const EVICTION_POLICY = "volatile-lru";

/**
 * Starts it with the declared user, and nobody else, and with the declared cap.
 * @param binary a valkey-server; the stand-in without one.
 * @throws {Error} with the server's last words, where it does not start.
 */
export async function startBackplane(
  { user, maxGB }: Backplane,
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
      ...(maxGB === undefined
        ? []
        : ([
            ["maxmemory", `${maxGB}gb`],
            ["maxmemory-policy", EVICTION_POLICY],
          ] as const)),
    ],
  });
  return {
    // A cluster of its own would take it seconds to form.
    address: { host: LOOPBACK, port: server.port, cluster: false },
    close: () => server.close(),
  };
}
