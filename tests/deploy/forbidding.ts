/** A server that answers every request with one status, like the load balancer's default action. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { afterwards } from "../app/support/teardown.ts";

/** @returns `127.0.0.1:PORT`. The server closes after the test. */
export async function startForbidding(
  status = 403,
  headers: Readonly<Record<string, string>> = {},
): Promise<string> {
  const server = createServer((_request, response) => {
    response.writeHead(status, headers).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  afterwards(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return `127.0.0.1:${address.port}`;
}
