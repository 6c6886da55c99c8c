import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { createExchanges, type Exchange } from "../../../local/runtime/network/exchange.ts";
import { forward } from "../../../local/runtime/network/proxy.ts";

const BURST = 50;
const LONG_MS = 60_000;

describe("forwarding", () => {
  it("waits for a private socket whose queue is full", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "proxy-"));
    const socketPath = path.join(folder, "socket");
    const upstream = createServer((request, response) => response.end(request.url));
    await once(upstream.listen({ path: socketPath, backlog: 1 }), "listening");

    const exchanges: Exchange[] = [];
    const handle = (exchange: Exchange): void => {
      exchanges.push(exchange);
      if (exchanges.length < BURST) return;
      // All requests are forwarded in one turn of the event loop, in which the server accepts no connection.
      for (const each of exchanges) {
        forward(each, {
          to: { address: { socketPath }, tls: undefined },
          target: each.target,
          headers: [["Host", "here"]],
          responseTimeoutMs: LONG_MS,
          tunnelIdle: { ms: LONG_MS, countsBytes: "both" },
          mapResponseHeaders: (headers) => headers,
          onFailed: (reason) => each.response.writeHead(502).end(reason),
        });
      }
    };
    const front = createExchanges(handle, {
      limits: {
        maxSilenceMs: LONG_MS,
        maxRequestHeadMs: LONG_MS,
        maxRequestHeadBytes: 1024,
        maxLingerMs: LONG_MS,
      },
      refuseHead: () => ({ status: 400 }),
    }).createServer();
    await once(front.listen(0, "127.0.0.1"), "listening");
    try {
      const address = front.address();
      assert.ok(typeof address === "object" && address !== null);
      const paths = Array.from({ length: BURST }, (_, n) => `/${n}`);
      const answers = await Promise.all(
        paths.map(async (target) => (await fetch(`http://127.0.0.1:${address.port}${target}`)).text()),
      );
      assert.deepEqual(answers, paths);
    } finally {
      front.closeAllConnections();
      for (const server of [front, upstream]) await once(server.close(), "close");
      await rm(folder, { recursive: true });
    }
  });
});
