import assert from "node:assert/strict";
import { createServer } from "node:net";
import { once } from "node:events";
import { smoke } from "../../deploy/smoke.ts";
import { afterwards, startServer, tearDown } from "../app/support.ts";
import { startForbidding } from "./forbidding.ts";

const QUICK = { timeoutMs: 1 };

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
    const loadBalancerUrl = `http://${await startForbidding()}/`;
    const { roundTripMs, refusal } = await smoke({ websocketUrl: url, loadBalancerUrl }, QUICK);

    assert.ok(roundTripMs > 0);
    assert.equal(refusal, "403");
  });

  it("is content with a load balancer that cannot be reached at all", async () => {
    const { url } = await startServer();
    const loadBalancerUrl = `http://127.0.0.1:${await freePort()}/`;

    assert.equal(
      (await smoke({ websocketUrl: url, loadBalancerUrl }, QUICK)).refusal,
      "no connection at all",
    );
  });

  it("fails where the load balancer answers anybody", async () => {
    const { url } = await startServer();
    const loadBalancerUrl = `http://${await startForbidding(200)}/`;

    await assert.rejects(
      smoke({ websocketUrl: url, loadBalancerUrl }, QUICK),
      /was answered with 200, and must be refused with 403/,
    );
  });

  it("waits until it works", async () => {
    const port = await freePort();
    const loadBalancerUrl = `http://${await startForbidding()}/`;
    const reasons: string[] = [];
    const onRetry = async (reason: string): Promise<void> => {
      reasons.push(reason);
      await startServer({ port });
    };
    await smoke(
      { websocketUrl: `ws://127.0.0.1:${port}/wss`, loadBalancerUrl },
      { timeoutMs: 10_000, onRetry: (reason) => void onRetry(reason) },
    );

    assert.match(reasons.join("\n"), /^ws:.*ECONNREFUSED/);
  });

  it("gives up at its limit, and says why", async () => {
    const websocketUrl = `ws://127.0.0.1:${await freePort()}/wss`;
    await assert.rejects(
      smoke({ websocketUrl, loadBalancerUrl: "http://127.0.0.1:1/" }, QUICK),
      /^Error: ws:.*ECONNREFUSED/,
    );
  });

  it("does not wait where a token is asked for, and brings the one that it is given", async () => {
    const { url } = await startServer(
      {},
      {
        authorize: ({ authorization }) =>
          Promise.resolve(
            authorization === "Bearer right"
              ? { granted: true }
              : { granted: false, status: 401, reason: "no" },
          ),
      },
    );
    const target = { websocketUrl: url, loadBalancerUrl: `http://${await startForbidding()}/` };
    const patient = { timeoutMs: 60_000 };

    await assert.rejects(smoke(target, patient), /asks for a token, put one into SMOKE_TOKEN/);
    await assert.rejects(
      smoke({ ...target, token: "wrong" }, patient),
      /the token in SMOKE_TOKEN is not accepted/,
    );
    await smoke({ ...target, token: "right" }, patient);
  });

  it("says that the connection was cut", async () => {
    const silent = createServer((socket) => socket.end());
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    afterwards(() => silent.close());
    const address = silent.address();
    assert.ok(typeof address === "object" && address !== null);

    await assert.rejects(
      smoke(
        { websocketUrl: `ws://127.0.0.1:${address.port}/wss`, loadBalancerUrl: "http://127.0.0.1:1/" },
        QUICK,
      ),
      /^Error: ws:.*socket hang up/,
    );
  });
});
