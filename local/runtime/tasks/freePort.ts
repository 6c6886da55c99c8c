/** Ports of servers that do not report theirs. */
import { createServer, connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { LOOPBACK } from "../../../cli/loopback.ts";

const CONNECT_INTERVAL_MS = 50;

/** A port that no process uses now. Without a host, Node binds the port before `listen` returns. */
export function freePort(): number {
  const server = createServer().listen(0);
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error("The system has no free port.");
  return address.port;
}

/** Resolves when a server accepts connections at the port. @returns `false` if the signal aborts before. */
export async function waitUntilListening(port: number, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    if (await canConnect(port)) return !signal.aborted;
    await sleep(CONNECT_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
  }
  return false;
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, LOOPBACK);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => {
      resolve(false);
    });
  });
}
