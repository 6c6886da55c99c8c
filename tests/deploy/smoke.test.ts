import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo, type Server } from "node:net";
import { WebSocketServer } from "ws";
import { FULL_ACCESS } from "../../app/src/auth/authorize.ts";
import { type PlainRequest, smoke } from "../../deploy/smoke.ts";
import { startServer } from "../app/support/server.ts";
import { afterwards, tearDown } from "../app/support/teardown.ts";
import { startForbidding } from "./forbidding.ts";

const QUICK = { timeoutMs: 1 };

describe("the smoke test of deploy", () => {
  afterEach(tearDown);

  async function portOf(server: Pick<Server, "address"> & NodeJS.EventEmitter): Promise<number> {
    if (server.address() === null) await once(server, "listening");
    return (server.address() as AddressInfo).port;
  }

  async function freePort(): Promise<number> {
    const server = createServer().listen(0, "127.0.0.1");
    const port = await portOf(server);
    server.close();
    await once(server, "close");
    return port;
  }

  /** The URL of a WebSocket server that sends a text to each client. */
  async function startOther(text: string): Promise<string> {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    server.on("connection", (socket) => {
      socket.send(text);
    });
    afterwards(() => {
      for (const client of server.clients) client.terminate();
      server.close();
    });
    return `ws://127.0.0.1:${await portOf(server)}`;
  }

  /** Runs the smoke test against a real server, with a plain request to `host`. */
  async function smokePlain(host: string, expected: PlainRequest["expected"]): Promise<string | undefined> {
    const { url: websocketUrl } = await startServer();
    const { roundTripMs, plainResult } = await smoke(
      { websocketUrl, plainRequest: { url: `http://${host}/`, expected } },
      QUICK,
    );
    assert.ok(roundTripMs > 0);
    return plainResult;
  }

  it("receives its own message, and expects the direct request to be refused", async () => {
    assert.equal(await smokePlain(await startForbidding(), "refused"), "403");
    assert.equal(await smokePlain(`127.0.0.1:${await freePort()}`, "refused"), "no connection");
    await assert.rejects(
      smokePlain(await startForbidding(200), "refused"),
      /was answered with 200; expected 403/,
    );
  });

  it("expects a redirect to TLS if the load balancer is the edge", async () => {
    const location = "https://ws.example.com:443/";
    assert.equal(await smokePlain(await startForbidding(301, { location }), "redirected"), location);
    await assert.rejects(
      smokePlain(await startForbidding(200, { location }), "redirected"),
      /was answered with 200 .*expected a redirect to https/,
    );
  });

  it("sends no direct request to a load balancer inside the VPC", async () => {
    const { url } = await startServer();
    assert.deepEqual(Object.keys(await smoke({ websocketUrl: url }, QUICK)), ["roundTripMs"]);
  });

  it("tests only the upgrade of a foreign API", async () => {
    const websocketUrl = await startOther("hello");
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

  it("does not retry without a valid token, and sends the given one", async () => {
    const { url } = await startServer(
      {},
      {
        authorize: ({ authorization }) =>
          Promise.resolve(
            authorization === "Bearer right"
              ? { granted: true, access: FULL_ACCESS }
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

  it("fails with the reason at its limit", async () => {
    const cut = createServer((socket) => socket.end()).listen(0, "127.0.0.1");
    afterwards(() => cut.close());
    for (const [websocketUrl, reason] of [
      [`ws://127.0.0.1:${await freePort()}/wss`, /^Error: ws:.*ECONNREFUSED/],
      [`ws://127.0.0.1:${await portOf(cut)}/wss`, /^Error: ws:.*socket hang up/],
      [await startOther("hello"), /^Error: ws:.*another server answers there: "hello"/],
    ] as const) {
      await assert.rejects(smoke({ websocketUrl }, QUICK), reason);
    }
  });
});
