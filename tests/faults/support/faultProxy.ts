/** A TCP proxy in front of other ports of this machine, which resets connections or makes them half-open. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { Socket } from "node:net";

const HOST = "127.0.0.1";

/** Connections that the system accepts ahead of the process: a thousand clients connect at once. */
const LISTEN_BACKLOG = 4096;

export interface FaultProxy {
  readonly port: number;
  /** Ports. A new connection goes to the one with the fewest. A port that refuses a connection is removed. */
  readonly targets: Set<number>;
  /** Number of open connections to a port. */
  connections(target: number): number;
  /** Time of each new connection, in milliseconds of `performance.now()`. */
  readonly connectedAt: readonly number[];
  /** Number of connections that a port ended before the client did. */
  readonly endedByTarget: number;
  /** Resets a share (0 to 1) of the connections in both directions. Returns their number. */
  reset(share: number): number;
  /** Makes a share (0 to 1) of the connections half-open: bytes no longer pass. Returns their number. */
  makeHalfOpen(share: number): number;
  close(): Promise<void>;
}

interface Connection {
  readonly ends: readonly [Socket, Socket];
  readonly target: number;
}

export interface FaultProxyOptions {
  readonly targets: readonly number[];
  /** At least 0, less than 1. */
  readonly random: () => number;
  /** Whether a port that refuses a connection stays. @default false */
  readonly keepsTargets?: boolean;
}

export async function startFaultProxy({
  targets: first,
  random,
  keepsTargets = false,
}: FaultProxyOptions): Promise<FaultProxy> {
  const targets = new Set(first);
  const connections = new Set<Connection>();
  const halfOpen: Connection[] = [];
  const connectedAt: number[] = [];
  let endedByTarget = 0;

  const count = (target: number): number => {
    let sum = 0;
    for (const connection of connections) if (connection.target === target) sum += 1;
    return sum;
  };

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const target = [...targets].sort((one, other) => count(one) - count(other))[0];
    if (target === undefined) {
      near.on("error", () => undefined);
      near.resetAndDestroy();
      return;
    }
    connectedAt.push(performance.now());
    const far = connect({ host: HOST, port: target, allowHalfOpen: true, noDelay: true });
    const connection: Connection = { ends: [near, far], target };
    connections.add(connection);
    far.once("end", () => {
      if (!near.readableEnded) endedByTarget += 1;
    });
    far.on("error", (error) => {
      if ("code" in error && error.code === "ECONNREFUSED" && !keepsTargets) targets.delete(target);
    });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.pipe(other);
      one.on("error", () => undefined);
      one.on("close", (hadError) => {
        connections.delete(connection);
        if (hadError) other.resetAndDestroy();
      });
    }
  });
  server.listen({ port: 0, host: HOST, backlog: LISTEN_BACKLOG });
  await once(server, "listening");
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);

  const pick = (share: number): readonly Connection[] => {
    const picked = [...connections].filter(() => random() < share);
    for (const connection of picked) connections.delete(connection);
    return picked;
  };

  return {
    port: address.port,
    targets,
    connections: count,
    connectedAt,
    get endedByTarget() {
      return endedByTarget;
    },
    reset(share) {
      const picked = pick(share);
      for (const { ends } of picked) for (const end of ends) end.resetAndDestroy();
      return picked.length;
    },
    makeHalfOpen(share) {
      const picked = pick(share);
      for (const { ends } of picked) {
        for (const end of ends) {
          end.unpipe();
          end.removeAllListeners("close");
          end.pause();
        }
      }
      halfOpen.push(...picked);
      return picked.length;
    },
    async close() {
      server.close();
      for (const { ends } of [...connections, ...halfOpen]) for (const end of ends) end.destroy();
      await once(server, "close");
    },
  };
}
