import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { createExchanges, type ExchangeLimits, respond } from "../../../local/runtime/network/exchange.ts";

const SHORT_MS = 50;
/** Longer than the test's timeout. */
const LONG_MS = 60_000;
const HEAD = "GET / HTTP/1.1\r\nHost: here\r\n";

describe("exchanges", () => {
  let front: Server;
  let client: Socket;
  let accepted: Socket;

  /** Passes connections to a server that does not listen itself, as the edge does. */
  async function connectWith(limits: ExchangeLimits): Promise<void> {
    const http = createExchanges((exchange) => {
      respond(exchange, { status: 403, body: "no" });
    }, limits).createServer();
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

  it("close a connection whose request head is incomplete after the limit", async () => {
    await connectWith({ maxRequestHeadMs: SHORT_MS, maxLingerMs: LONG_MS });
    client.write(HEAD);
    await once(accepted, "close");
  });

  it("close a refused upgrade after the limit, even if its client continues to send", async () => {
    await connectWith({ maxRequestHeadMs: LONG_MS, maxLingerMs: SHORT_MS });
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
