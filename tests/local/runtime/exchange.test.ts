import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { answer, createExchanges, type ExchangeLimits } from "../../../local/runtime/network/exchange.ts";

/** As short as a test is. */
const SHORT_MS = 50;
/** Longer than a test. */
const LONG_MS = 60_000;
const HEAD = "GET / HTTP/1.1\r\nHost: here\r\n";

describe("local exchanges", () => {
  let front: Server;
  let client: Socket;
  let accepted: Socket;

  /** Connections are handed to a server that does not listen itself, as the edge does it. */
  async function connectWith(limits: ExchangeLimits): Promise<void> {
    const http = createExchanges((exchange) => {
      answer(exchange, { status: 403, body: "no" });
    }, limits).createServer();
    front = createServer({ allowHalfOpen: true }, (socket) => http.emit("connection", socket));
    await once(front.listen(0, "127.0.0.1"), "listening");
    const address = front.address();
    assert.ok(typeof address === "object" && address !== null);
    // A client that never closes its own side.
    client = connect({ port: address.port, host: "127.0.0.1", allowHalfOpen: true });
    client.on("error", () => undefined);
    [accepted] = (await once(front, "connection")) as [Socket];
  }

  afterEach(() => {
    client.destroy();
    front.close();
  });

  it("do not wait for ever for the end of a request's head", async () => {
    await connectWith({ requestHeadMs: SHORT_MS, lingerMs: LONG_MS });
    client.write(HEAD);
    await once(accepted, "close");
  });

  it("let go of a refused upgrade whose client stays, whatever it still says", async () => {
    await connectWith({ requestHeadMs: LONG_MS, lingerMs: SHORT_MS });
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
