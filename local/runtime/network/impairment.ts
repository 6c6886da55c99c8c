/**
 * Latency and lost connections between the clients and the edge, which a fault adds on purpose. The bytes of a connection pass this
 * module only after there was a latency during the connection.
 */
import type { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { DelayLine } from "./delayLine.ts";
import type { Exchange } from "./exchange.ts";

export interface Impairment {
  /** Handles an exchange now, after the latency of a round trip, or never if its connection is dropped. */
  admit(exchange: Exchange, handle: (exchange: Exchange) => void): void;
  /** Copies the bytes of an upgraded connection in one direction, as `from.pipe(to)` does, with the current latency. */
  readonly pipe: (from: Readable, to: Writable) => void;
  /** @param latencyMs latency of every byte in each direction; 0 for none. */
  setLatency(latencyMs: number): void;
  /**
   * Closes a share of the upgraded connections without a Close frame, at least one, and from now on the same share of the new ones.
   * @param share from 0 to 1; 0 to drop no more connections.
   */
  setDropShare(share: number): void;
}

interface Link {
  readonly from: Readable;
  readonly to: Writable;
  line: DelayLine | undefined;
}

/** @param random returns numbers from 0 up to 1. */
export function createImpairment(random: () => number = Math.random): Impairment {
  const links = new Set<Link>();
  const upgraded = new Set<Socket>();
  let latencyMs = 0;
  let dropShare = 0;

  function insertLine(link: Link): void {
    const { from, to } = link;
    if (from.readableEnded) return;
    const line = new DelayLine(latencyMs);
    link.line = line;
    from.unpipe(to);
    from.pipe(line).pipe(to);
    to.once("close", () => line.destroy());
  }

  return {
    admit(exchange, handle) {
      const { upgrade, response } = exchange;
      if (upgrade !== undefined) {
        const { socket } = upgrade;
        if (random() < dropShare) {
          socket.destroy();
          return;
        }
        upgraded.add(socket);
        socket.once("close", () => upgraded.delete(socket));
      }
      if (latencyMs === 0) {
        handle(exchange);
        return;
      }
      const timer = setTimeout(handle, 2 * latencyMs, exchange);
      response.once("close", () => {
        clearTimeout(timer);
      });
    },
    pipe(from, to) {
      const link: Link = { from, to, line: undefined };
      links.add(link);
      from.once("close", () => links.delete(link));
      from.pipe(to);
      if (latencyMs > 0) insertLine(link);
    },
    setLatency(newLatencyMs) {
      latencyMs = newLatencyMs;
      for (const link of links) {
        if (link.line !== undefined) link.line.setLatency(latencyMs);
        else if (latencyMs > 0) insertLine(link);
      }
    },
    setDropShare(share) {
      dropShare = share;
      const open = [...upgraded];
      for (let count = Math.ceil(share * open.length); count > 0; count--) {
        const [socket] = open.splice(Math.floor(random() * open.length), 1);
        socket?.destroy();
      }
    },
  };
}
