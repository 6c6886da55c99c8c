import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";

/** Different ports that were free a moment ago. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  const ports: number[] = [];
  for (const server of servers) {
    if (!server.listening) await once(server, "listening");
    const address = server.address();
    assert.ok(typeof address === "object" && address !== null);
    ports.push(address.port);
  }
  for (const server of servers) await once(server.close(), "close");
  return ports;
}

export function portOf(url: string): number {
  return Number(new URL(url).port);
}
