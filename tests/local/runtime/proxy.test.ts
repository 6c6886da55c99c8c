import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { connect, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Headers } from "../../../local/model/headers.ts";
import {
  createExchanges,
  type Exchange,
  type ExchangesOptions,
  type HopRules,
} from "../../../local/runtime/network/exchange.ts";
import { forward } from "../../../local/runtime/network/proxy.ts";

const BURST = 50;
const LONG_MS = 60_000;
const OPTIONS: ExchangesOptions = {
  limits: {
    maxSilenceMs: LONG_MS,
    maxRequestHeadMs: LONG_MS,
    maxRequestHeadBytes: 1024,
    maxLingerMs: LONG_MS,
  },
  refuseHead: () => ({ status: 400 }),
};

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
    const front = createExchanges(handle, OPTIONS).createServer();
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

  describe("a silent server", () => {
    const SILENCE_MS = 200;
    const UPGRADE = "GET / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n";
    /** The client sends at this interval. */
    const CHATTER_MS = 20;

    async function closedAfterMs(
      tunnelIdle: HopRules["tunnelIdle"],
      outer: HopRules["tunnelIdle"],
    ): Promise<number> {
      const upstream = createTcpServer((socket: Socket) => {
        socket.on("error", () => undefined);
        socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n");
        socket.resume();
      });
      const port = await listeningAt(upstream);
      const rules = {
        responseTimeoutMs: LONG_MS,
        mapResponseHeaders: (headers: Headers) => headers,
        onFailed: () => assert.fail("The server has responded."),
      };
      const handle = (exchange: Exchange): void => {
        forward(
          { ...exchange, outer: { ...rules, tunnelIdle: outer } },
          {
            ...rules,
            to: { address: { host: "127.0.0.1", port }, tls: undefined },
            target: "/",
            headers: [["Host", "here"]],
            tunnelIdle,
          },
        );
      };
      const front = createExchanges(handle, OPTIONS).createServer();
      const client = connect(await listeningAt(front), "127.0.0.1");
      client.on("error", () => undefined);
      client.write(UPGRADE);
      await once(client, "data");
      const startedAt = performance.now();
      const chatter = setInterval(() => client.write("x"), CHATTER_MS);
      // The front may reset the connection, and `once` would reject then.
      await new Promise((resolve) => client.once("close", resolve));
      clearInterval(chatter);
      for (const server of [front, upstream]) await once(server.close(), "close");
      return performance.now() - startedAt;
    }

    it("ends an upgraded connection if only its bytes count, by the rules of either proxy", async () => {
      const both = { ms: LONG_MS, countsBytes: "both" } as const;
      const fromServer = { ms: SILENCE_MS, countsBytes: "from-server" } as const;
      for (const [inner, outer] of [
        [both, fromServer],
        [fromServer, both],
      ] as const) {
        const ms = await closedAfterMs(inner, outer);
        assert.ok(ms > SILENCE_MS / 2, `The connection was closed after ${ms} ms.`);
      }
    });
  });
});

/** The port of a server that listens. */
async function listeningAt(server: Server): Promise<number> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return address.port;
}
