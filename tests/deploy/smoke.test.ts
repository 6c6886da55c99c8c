import assert from "node:assert/strict";
import { createServer } from "node:net";
import { once } from "node:events";
import { WebSocketServer } from "ws";
import { ALL_RIGHTS } from "../../app/src/auth/authorize.ts";
import { type PlainRequest, smoke } from "../../deploy/smoke.ts";
import { afterwards, startServer, tearDown } from "../app/support.ts";
import { startForbidding } from "./forbidding.ts";

const QUICK = { timeoutMs: 1 };

const refused = (url: string): PlainRequest => ({ url, expected: "refused" });

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

  it("receives its own message, and expects the direct request to be refused", async () => {
    const { url } = await startServer();
    const { roundTripMs, plainResult } = await smoke(
      { websocketUrl: url, plainRequest: refused(`http://${await startForbidding()}/`) },
      QUICK,
    );

    assert.ok(roundTripMs > 0);
    assert.equal(plainResult, "403");
  });

  it("accepts a load balancer that cannot be reached", async () => {
    const { url } = await startServer();
    const target = { websocketUrl: url, plainRequest: refused(`http://127.0.0.1:${await freePort()}/`) };

    assert.equal((await smoke(target, QUICK)).plainResult, "no connection");
  });

  it("fails if the load balancer accepts a direct request", async () => {
    const { url } = await startServer();
    const target = { websocketUrl: url, plainRequest: refused(`http://${await startForbidding(200)}/`) };

    await assert.rejects(smoke(target, QUICK), /was answered with 200; expected 403/);
  });

  it("sends no direct request to a load balancer inside the VPC", async () => {
    const { url } = await startServer();
    assert.deepEqual(Object.keys(await smoke({ websocketUrl: url }, QUICK)), ["roundTripMs"]);
  });

  it("expects a redirect to TLS if the load balancer is the edge", async () => {
    const { url } = await startServer();
    const at = (status: number): Promise<string> =>
      startForbidding(status, { location: "https://ws.example.com:443/" });
    const smokeOf = async (status: number): Promise<string | undefined> => {
      const plainRequest = { url: `http://${await at(status)}/`, expected: "redirected" } as const;
      return (await smoke({ websocketUrl: url, plainRequest }, QUICK)).plainResult;
    };

    assert.equal(await smokeOf(301), "https://ws.example.com:443/");
    await assert.rejects(smokeOf(200), /was answered with 200 .*expected a redirect to https/);
  });

  it("tests only the upgrade of a foreign API", async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    afterwards(() => {
      for (const client of server.clients) client.terminate();
      server.close();
    });
    await once(server, "listening");
    const address = server.address();
    assert.ok(typeof address === "object" && address !== null);
    const websocketUrl = `ws://127.0.0.1:${address.port}`;

    assert.ok((await smoke({ websocketUrl, isForeign: true }, QUICK)).roundTripMs > 0);
  });

  it("retries until it succeeds", async () => {
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

  it("fails with the reason at its limit", async () => {
    const websocketUrl = `ws://127.0.0.1:${await freePort()}/wss`;
    await assert.rejects(smoke({ websocketUrl }, QUICK), /^Error: ws:.*ECONNREFUSED/);
  });

  it("does not retry without a valid token, and sends the given one", async () => {
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

    await assert.rejects(smoke(target, patient), /requires a token, set SMOKE_TOKEN/);
    await assert.rejects(smoke({ ...target, token: "wrong" }, patient), /rejects the token in SMOKE_TOKEN/);
    await smoke({ ...target, token: "right" }, patient);
  });

  it("reports that another server answers", async () => {
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
      /^Error: ws:.*another server answers there: "hello"/,
    );
  });

  it("reports that the connection was cut", async () => {
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
