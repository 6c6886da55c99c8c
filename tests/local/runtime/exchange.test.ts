import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { createExchanges, type ExchangeLimits, respond } from "../../../local/runtime/network/exchange.ts";

const SHORT_MS = 50;
/** Longer than the test's timeout. */
const LONG_MS = 60_000;
const LIMITS: ExchangeLimits = {
  maxSilenceMs: LONG_MS,
  maxRequestHeadMs: LONG_MS,
  maxRequestHeadBytes: 1024,
  maxLingerMs: SHORT_MS,
};
const HEAD = "GET / HTTP/1.1\r\nHost: here\r\n";

describe("exchanges", () => {
  let front: Server;
  let client: Socket;
  let accepted: Socket;

  /** Passes connections to a server that does not listen itself, as the edge does. */
  async function connectWith(changed: Partial<ExchangeLimits>): Promise<void> {
    const http = createExchanges(
      (exchange) => {
        respond(exchange, { status: 403, body: "no" });
      },
      { limits: { ...LIMITS, ...changed }, refuseHead: (problem) => ({ status: 400, body: problem }) },
    ).createServer();
    http.emit("listening");
    front = createServer({ allowHalfOpen: true }, (socket) => http.emit("connection", socket));
    await once(front.listen(0, "127.0.0.1"), "listening");
    const address = front.address();
    assert.ok(typeof address === "object" && address !== null);
    // The client never closes its side.
    client = connect({ port: address.port, host: "127.0.0.1", allowHalfOpen: true });
    client.on("error", () => undefined);
    [accepted] = (await once(front, "connection")) as [Socket];
  }

  afterEach(() => {
    client.destroy();
    front.close();
  });

  /** Everything that the client receives until the server closes its side. */
  async function received(): Promise<string> {
    let reply = "";
    client.on("data", (chunk: Buffer) => (reply += chunk.toString()));
    await once(client, "end");
    return reply;
  }

  it("refuse a client that is silent within the head of a request", async () => {
    await connectWith({ maxSilenceMs: SHORT_MS });
    client.write(HEAD);
    assert.match(await received(), /^HTTP\/1\.1 400 [^]*timeout$/);
    if (!accepted.destroyed) await once(accepted, "close");
  });

  it("refuse a client that sends the head of a request one byte after the other", async () => {
    await connectWith({ maxRequestHeadMs: 4 * SHORT_MS });
    client.write(HEAD);
    const trickle = setInterval(() => client.write("x"), SHORT_MS / 2);
    try {
      assert.match(await received(), /timeout$/);
    } finally {
      clearInterval(trickle);
    }
  });

  it("refuse a head that is malformed, too large, or has an unknown transfer coding", async () => {
    for (const [sent, problem] of [
      ["no request\r\n\r\n", "malformed"],
      [`${HEAD}X-Long: ${"x".repeat(2000)}\r\n\r\n`, "too-large"],
      [`POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: gzip\r\n\r\n`, "unknown-transfer-coding"],
    ] as const) {
      await connectWith({});
      client.write(sent);
      assert.ok((await received()).endsWith(problem), problem);
      client.destroy();
      front.close();
    }
  });

  it("close a connection between two requests without a response", async () => {
    await connectWith({ maxSilenceMs: SHORT_MS });
    client.write(`${HEAD}\r\n`);
    const reply = await received();
    assert.equal(reply.split("HTTP/1.1").length, 2, reply);
  });

  it("close a refused upgrade after the limit, even if its client continues to send", async () => {
    await connectWith({});
    client.write(`${HEAD}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly`);
    let reply = "";
    client.on("data", (chunk: Buffer) => {
      reply += chunk.toString();
      client.write("late");
    });
    await once(client, "end");
    assert.match(reply, /^HTTP\/1\.1 403 /);
    if (!accepted.destroyed) await once(accepted, "close");
  });
});
