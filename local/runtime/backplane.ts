/** The emulated backplane: a valkey-server if this machine has one, or else the stand-in for Valkey. */
import { setTimeout as delay } from "node:timers/promises";
import type { EmitEvent } from "../events.ts";
import { LOOPBACK } from "../../cli/loopback.ts";
import type { DeclaredBackplane, BackplaneAddress } from "../model/backplane.ts";
import { startStandIn, type StandInUser, type ValkeyStandIn } from "../stand-in-valkey/server.ts";
import { startValkeyServer, type ValkeyServer, type ValkeyServerOptions } from "../../cli/valkeyServer.ts";

export interface RunningBackplane {
  readonly address: BackplaneAddress;
  /** Ends the server, whose data is lost, until `start`. Idempotent. */
  stop(): Promise<void>;
  /** Starts the server again at its address, without data. Rejects if the address is taken. Idempotent. */
  start(): Promise<void>;
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
  if (binary === undefined) return restartableStandIn(user);
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
    ...keepRunning(server, { ...options, port: server.port }, emit),
  };
}

async function restartableStandIn(user: StandInUser): Promise<RunningBackplane> {
  let standIn: ValkeyStandIn | undefined = await startStandIn(user);
  const { port } = standIn;
  let isClosed = false;
  let last: Promise<unknown> = Promise.resolve();

  /** A step begins when the previous one has ended, even if that failed. */
  function enqueue(step: () => Promise<void>): Promise<void> {
    const done = last.then(step, step);
    last = done;
    return done;
  }

  function stop(): Promise<void> {
    return enqueue(async () => {
      const running = standIn;
      standIn = undefined;
      await running?.close();
    });
  }
  return {
    address: { host: LOOPBACK, port, cluster: true },
    stop,
    start: () =>
      enqueue(async () => {
        if (!isClosed) standIn ??= await startStandIn(user, port);
      }),
    close() {
      isClosed = true;
      return stop();
    },
  };
}

/** Restarts the server whenever it ends, except while it is stopped. Its data is lost. */
function keepRunning(
  first: ValkeyServer,
  options: ValkeyServerOptions,
  emit: EmitEvent,
): Omit<RunningBackplane, "address"> {
  const closing = new AbortController();
  const isClosing = (): boolean => closing.signal.aborted;
  let server = first;
  /** While the server is stopped; resolves when it may start. */
  let stopped: PromiseWithResolvers<undefined> | undefined;
  let started = Promise.withResolvers<undefined>();

  const watch = async (): Promise<void> => {
    for (;;) {
      await server.ended;
      if (isClosing()) return;
      if (stopped === undefined) {
        emit({ event: "backplane-ended", afterMs: RESTART_DELAY_MS });
        await delay(RESTART_DELAY_MS, undefined, { signal: closing.signal });
      }
      await stopped?.promise;
      server = await restart();
      if (isClosing() || stopped !== undefined) {
        await server.close();
        continue;
      }
      emit({ event: "backplane-started", pid: server.pid, port: server.port });
      started.resolve(undefined);
    }
  };

  const restart = async (): Promise<ValkeyServer> => {
    for (;;) {
      if (isClosing()) throw new Error("The backplane is closed.");
      try {
        return await startValkeyServer(options);
      } catch (error) {
        // Another process may use the port at the moment.
        const reason = error instanceof Error ? error.message : String(error);
        emit({ event: "backplane-ended", afterMs: RESTART_DELAY_MS, reason });
        await delay(RESTART_DELAY_MS, undefined, { signal: closing.signal });
      }
    }
  };

  const watching = watch().catch((error: unknown) => {
    if (!isClosing()) throw error;
  });
  return {
    async stop() {
      stopped ??= Promise.withResolvers();
      server.kill();
      await server.ended;
    },
    async start() {
      if (stopped === undefined) return;
      started = Promise.withResolvers();
      stopped.resolve(undefined);
      stopped = undefined;
      await Promise.race([started.promise, watching]);
    },
    async close() {
      closing.abort();
      stopped?.resolve(undefined);
      await server.close();
      await watching;
    },
  };
}
