/** The backplane at work: a real server where this machine has one, else the embedded stand-in. */
import { setTimeout as delay } from "node:timers/promises";
import type { Emit } from "../events.ts";
import { LOOPBACK } from "../../cli/loopback.ts";
import type { Backplane, BackplaneAddress } from "../model/backplane.ts";
import { startStandIn } from "../stand-in-valkey/server.ts";
import { startValkeyServer, type ValkeyServer, type ValkeyServerOptions } from "../../cli/valkeyServer.ts";

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

/** Time until a server that has ended is replaced, in milliseconds. */
const RESTART_AFTER_MS = 1000;

/**
 * Starts it with the declared user, and nobody else, and with the declared cap.
 * @param binary a valkey-server, which is replaced when it ends; the stand-in without one.
 * @throws {Error} with the server's last words, where it does not start.
 */
export async function startBackplane(
  { user, maxGB }: Backplane,
  binary: string | undefined,
  emit: Emit,
): Promise<RunningBackplane> {
  if (binary === undefined) {
    const standIn = await startStandIn(user);
    return {
      address: { host: LOOPBACK, port: standIn.port, cluster: true },
      close: () => standIn.close(),
    };
  }
  const options: ValkeyServerOptions = {
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
  };
  const server = await startValkeyServer(options);
  emit({ event: "backplane-started", pid: server.pid, port: server.port });
  return {
    // A cluster of its own would take it seconds to form.
    address: { host: LOOPBACK, port: server.port, cluster: false },
    close: keepUp(server, { ...options, port: server.port }, emit),
  };
}

/**
 * Replaces the server whenever it ends, as the cloud does; what it held is gone.
 * @returns its undo.
 */
function keepUp(first: ValkeyServer, options: ValkeyServerOptions, emit: Emit): () => Promise<void> {
  const closing = new AbortController();
  const isClosing = (): boolean => closing.signal.aborted;
  let server = first;

  const watch = async (): Promise<void> => {
    for (;;) {
      await server.ended;
      if (isClosing()) return;
      emit({ event: "backplane-ended", afterMs: RESTART_AFTER_MS });
      server = await restart();
      if (isClosing()) {
        await server.close();
        return;
      }
      emit({ event: "backplane-started", pid: server.pid, port: server.port });
    }
  };

  const restart = async (): Promise<ValkeyServer> => {
    for (;;) {
      await delay(RESTART_AFTER_MS, undefined, { signal: closing.signal });
      try {
        return await startValkeyServer(options);
      } catch (error) {
        // Somebody else may have the port for a moment.
        const reason = error instanceof Error ? error.message : String(error);
        emit({ event: "backplane-ended", afterMs: RESTART_AFTER_MS, reason });
      }
    }
  };

  const watching = watch().catch((error: unknown) => {
    if (!isClosing()) throw error;
  });
  return async () => {
    closing.abort();
    await server.close();
    await watching;
  };
}
