import assert from "node:assert/strict";
import { createServer } from "node:net";
import { once } from "node:events";
import { WebSocketServer } from "ws";
import { ALL_RIGHTS } from "../../app/src/auth/authorize.ts";
import { type Aside, smoke } from "../../deploy/smoke.ts";
import { afterwards, startServer, tearDown } from "../app/support.ts";
import { startForbidding } from "./forbidding.ts";

const QUICK = { timeoutMs: 1 };

const around = (url: string): Aside => ({ url, must: "be refused" });

describe("the smoke test of deploy", () => {
  afterEach(tearDown);

  async function freePort(): Promise<number> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    assert.ok(typeof address === "object" && address !== null);
    server.close();
    await once(server, "close");
    return address.port;
  }

  it("sends a message, gets it back, and is refused on the way around", async () => {
    const { url } = await startServer();
    const { roundTripMs, aside } = await smoke(
      { websocketUrl: url, aside: around(`http://${await startForbidding()}/`) },
      QUICK,
    );

    assert.ok(roundTripMs > 0);
    assert.equal(aside, "403");
  });

  it("is content with a load balancer that cannot be reached at all", async () => {
    const { url } = await startServer();
    const target = { websocketUrl: url, aside: around(`http://127.0.0.1:${await freePort()}/`) };

    assert.equal((await smoke(target, QUICK)).aside, "no connection at all");
  });

  it("fails where the load balancer answers anybody", async () => {
    const { url } = await startServer();
    const target = { websocketUrl: url, aside: around(`http://${await startForbidding(200)}/`) };

    await assert.rejects(smoke(target, QUICK), /was answered with 200, and must be refused with 403/);
  });

  it("has nothing to ask aside of a load balancer inside the VPC", async () => {
    const { url } = await startServer();
    assert.deepEqual(Object.keys(await smoke({ websocketUrl: url }, QUICK)), ["roundTripMs"]);
  });

  it("is sent on to TLS, where the load balancer is the edge", async () => {
    const { url } = await startServer();
    const at = (status: number): Promise<string> =>
      startForbidding(status, { location: "https://ws.example.com:443/" });
    const smokeOf = async (status: number): Promise<string | undefined> => {
      const aside = { url: `http://${await at(status)}/`, must: "be redirected" } as const;
      return (await smoke({ websocketUrl: url, aside }, QUICK)).aside;
    };

    assert.equal(await smokeOf(301), "https://ws.example.com:443/");
    await assert.rejects(smokeOf(200), /was answered with 200 .*must lead to https/);
  });

  it("asks no more of a foreign API than to take a WebSocket", async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    afterwards(() => {
      for (const client of server.clients) client.terminate();
      server.close();
    });
    await once(server, "listening");
    const address = server.address();
    assert.ok(typeof address === "object" && address !== null);
    const websocketUrl = `ws://127.0.0.1:${address.port}`;

    assert.ok((await smoke({ websocketUrl, foreign: true }, QUICK)).roundTripMs > 0);
  });

  it("waits until it works", async () => {
    const port = await freePort();
    const reasons: string[] = [];
    let server: Promise<unknown> | undefined;
    const onRetry = (reason: string): void => {
      reasons.push(reason);
      server ??= startServer({ port });
    };
    await smoke({ websocketUrl: `ws://127.0.0.1:${port}/wss` }, { timeoutMs: 10_000, onRetry });

    await server;
    assert.match(reasons[0] ?? "", /^ws:.*ECONNREFUSED/);
  });

  it("gives up at its limit, and says why", async () => {
    const websocketUrl = `ws://127.0.0.1:${await freePort()}/wss`;
    await assert.rejects(smoke({ websocketUrl }, QUICK), /^Error: ws:.*ECONNREFUSED/);
  });

  it("does not wait where a token is asked for, and brings the one that it is given", async () => {
    const { url } = await startServer(
      {},
      {
        authorize: ({ authorization }) =>
          Promise.resolve(
            authorization === "Bearer right"
              ? { granted: true, rights: ALL_RIGHTS }
              : { granted: false, status: 401, reason: "no" },
          ),
      },
    );
    const target = { websocketUrl: url };
    const patient = { timeoutMs: 60_000 };

    await assert.rejects(smoke(target, patient), /asks for a token, put one into SMOKE_TOKEN/);
    await assert.rejects(
      smoke({ ...target, token: "wrong" }, patient),
      /the token in SMOKE_TOKEN is not accepted/,
    );
    await smoke({ ...target, token: "right" }, patient);
  });

  it("says that another server answers", async () => {
    const other = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(other, "listening");
    afterwards(() => {
      other.close();
    });
    other.on("connection", (socket) => {
      socket.send("hello");
    });
    const address = other.address();
    assert.ok(typeof address === "object" && address !== null);

    await assert.rejects(
      smoke({ websocketUrl: `ws://127.0.0.1:${address.port}` }, QUICK),
      /^Error: ws:.*another server answers: "hello"/,
    );
  });

  it("says that the connection was cut", async () => {
    const silent = createServer((socket) => socket.end());
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    afterwards(() => silent.close());
    const address = silent.address();
    assert.ok(typeof address === "object" && address !== null);

    await assert.rejects(
      smoke({ websocketUrl: `ws://127.0.0.1:${address.port}/wss` }, QUICK),
      /^Error: ws:.*socket hang up/,
    );
  });
});
