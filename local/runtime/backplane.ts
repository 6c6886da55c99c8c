/** The emulated backplane: a valkey-server if this machine has one, or else the stand-in for Valkey. */
import { setTimeout as delay } from "node:timers/promises";
import type { EmitEvent } from "../events.ts";
import { LOOPBACK } from "../../cli/loopback.ts";
import type { DeclaredBackplane, BackplaneAddress } from "../model/backplane.ts";
import { startStandIn } from "../stand-in-valkey/server.ts";
import { startValkeyServer, type ValkeyServer, type ValkeyServerOptions } from "../../cli/valkeyServer.ts";

export interface RunningBackplane {
  readonly address: BackplaneAddress;
  /** Idempotent. */
  close(): Promise<void>;
}

/**
 * ElastiCache Serverless at its storage limit evicts keys with an expiry, the least recently used first.
 * @see https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Scaling.html
 */
const EVICTION_POLICY = "volatile-lru";

/** Delay before a server that has ended is replaced. */
const RESTART_DELAY_MS = 1000;

/**
 * Starts a server that accepts only the declared user and has the declared storage limit.
 * @param binary path of a valkey-server, which is restarted when it ends. `undefined`: the stand-in.
 * @throws {ExpectedError} with the last output of the server if it does not start.
 */
export async function startBackplane(
  { user, maxGB }: DeclaredBackplane,
  binary: string | undefined,
  emit: EmitEvent,
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
    // A real cluster needs seconds to form.
    address: { host: LOOPBACK, port: server.port, cluster: false },
    close: keepRunning(server, { ...options, port: server.port }, emit),
  };
}

/**
 * Restarts the server whenever it ends. Its data is lost.
 * @returns a function that stops the server.
 */
function keepRunning(
  first: ValkeyServer,
  options: ValkeyServerOptions,
  emit: EmitEvent,
): () => Promise<void> {
  const closing = new AbortController();
  const isClosing = (): boolean => closing.signal.aborted;
  let server = first;

  const watch = async (): Promise<void> => {
    for (;;) {
      await server.ended;
      if (isClosing()) return;
      emit({ event: "backplane-ended", afterMs: RESTART_DELAY_MS });
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
      await delay(RESTART_DELAY_MS, undefined, { signal: closing.signal });
      try {
        return await startValkeyServer(options);
      } catch (error) {
        // Another process may use the port at the moment.
        const reason = error instanceof Error ? error.message : String(error);
        emit({ event: "backplane-ended", afterMs: RESTART_DELAY_MS, reason });
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
