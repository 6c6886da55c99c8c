/** A network that a test can break: TCP connections to other ports of this machine, through one of its own. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { Socket } from "node:net";

const HOST = "127.0.0.1";

/** Connections that the system accepts ahead of the process; a crowd comes at once. */
const LISTEN_BACKLOG = 4096;

export interface Network {
  readonly port: number;
  /** Where new connections may go: to the one that has the fewest. One that refuses a connection gets no more. */
  readonly targets: Set<number>;
  /** Present connections to a target. */
  connections(target: number): number;
  /** When each connection was made, in milliseconds of `performance.now()`. */
  readonly madeAt: readonly number[];
  /** Resets a share of the connections, in both directions. Returns how many these were. */
  reset(share: number): number;
  /** Makes a share of the connections half-open: nothing passes any more, and nobody is told. Returns how many these were. */
  freeze(share: number): number;
  close(): Promise<void>;
}

interface Connection {
  readonly ends: readonly [Socket, Socket];
  readonly target: number;
}

export interface NetworkOptions {
  readonly targets: readonly number[];
  /** At least 0, less than 1. */
  readonly random: () => number;
  /** Whether a target that refuses is still a target. @default false */
  readonly keepsTargets?: boolean;
}

export async function startNetwork({
  targets: first,
  random,
  keepsTargets = false,
}: NetworkOptions): Promise<Network> {
  const targets = new Set(first);
  const connections = new Set<Connection>();
  const frozen: Connection[] = [];
  const madeAt: number[] = [];

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
    madeAt.push(performance.now());
    const far = connect({ host: HOST, port: target, allowHalfOpen: true, noDelay: true });
    const connection: Connection = { ends: [near, far], target };
    connections.add(connection);
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
    madeAt,
    reset(share) {
      const picked = pick(share);
      for (const { ends } of picked) for (const end of ends) end.resetAndDestroy();
      return picked.length;
    },
    freeze(share) {
      const picked = pick(share);
      for (const { ends } of picked) {
        for (const end of ends) {
          end.unpipe();
          end.removeAllListeners("close");
          end.pause();
        }
      }
      frozen.push(...picked);
      return picked.length;
    },
    async close() {
      server.close();
      for (const { ends } of [...connections, ...frozen]) for (const end of ends) end.destroy();
      await once(server, "close");
    },
  };
}
