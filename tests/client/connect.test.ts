import assert from "node:assert/strict";
import { once } from "node:events";

import { WebSocket } from "ws";

import { connect } from "../../client/src/index.ts";
import { join, open, openGreeted, retry } from "./support/connection.ts";
import { startServer } from "./support/scriptedServer.ts";
import { afterwards, tearDown } from "../app/support/teardown.ts";

describe("a client's connection", () => {
  afterEach(tearDown);

  it("offers channels.v1, and reports the greeting", async () => {
    const server = await startServer();
    const { connection, events } = open(server.url);
    assert.equal(connection.state, "connecting");
    const accepted = await server.accept();
    assert.deepEqual(accepted.protocols, ["channels.v1"]);
    assert.equal(accepted.url.pathname, "/wss");
    accepted.greet({ user: "alice", expiresIn: 3600 });
    assert.deepEqual(await events.next("open"), { heartbeat: 30, user: "alice", expiresIn: 3600 });
    assert.equal(connection.state, "open");
  });

  it("keeps the URL's query, without its fragment", async () => {
    const server = await startServer();
    open(`${server.url.replace("ws:", "http:")}/?tenant=a%20b#part`);
    const { url } = await server.accept();
    assert.deepEqual([url.pathname, url.searchParams.get("tenant")], ["/wss/", "a b"]);
  });

  it("retries if the server does not select the subprotocol", async () => {
    const server = await startServer(undefined, false);
    const { events } = open(server.url);
    assert.equal((await events.next("reconnecting")).code, 1006);
  });

  for (const text of [
    "no JSON",
    "null",
    '{"channel":"room","message":1}',
    '{"message":1,"offset":1}',
    '{"connection":"ok","heartbeat":30}',
    '{"ack":1,"channel":"room","epoch":"e","offset":1}',
    '{"ack":"a","channel":"room","epoch":"e","offset":1.5}',
    '{"subscribed":"room","offset":1}',
    '{"gap":{"channel":"room","from":1}}',
    '{"gap":1}',
    '{"error":1}',
    '{"heartbeat":0}',
    Buffer.from("{}"),
  ]) {
    it(`reconnects after the invalid frame ${JSON.stringify(text)}`, async () => {
      const { events, accepted } = await openGreeted();
      accepted.sendRaw(text);
      assert.match((await events.next("reconnecting")).reason, /^not channels\.v1: /);
    });
  }

  it("reconnects if the first frame is not a greeting, or an incomplete one", async () => {
    const server = await startServer();
    const opened = open(server.url);
    (await server.accept()).deliver(1);
    await retry(opened);
    (await server.accept()).send({ connection: "ok" });
    assert.match((await opened.events.next("reconnecting")).reason, /^not channels\.v1: /);
  });

  it("reports errors of the server that belong to no request", async () => {
    const { connection, events, accepted } = await openGreeted();
    accepted.send({ error: { code: "invalid_json", message: "The message is not JSON." } });
    const { name, code, message } = await events.next("error");
    assert.deepEqual([name, code, message], ["ClientError", "invalid_json", "The message is not JSON."]);
    assert.equal(connection.state, "open");
  });

  it("rejects an invalid URL and an invalid limit", () => {
    for (const url of ["nothing", "ftp://example.com/wss", "", "wss://example.com/wss/room"]) {
      assert.throws(() => connect(url), { name: "ClientError", code: "invalid_url" });
    }
    for (const value of [0, -1, NaN]) {
      assert.throws(() => connect("ws://127.0.0.1/wss", { maxInFlight: value }), {
        name: "RangeError",
        message: `\`maxInFlight\`: got ${value}; expected a number of at least 1.`,
      });
    }
  });

  it("closes with an error if the WebSocket rejects the URL", async () => {
    const { connection, events } = open("ws://127.0.0.1:1/wss", {
      WebSocket: new Proxy(WebSocket, {
        construct() {
          throw new DOMException(
            "An insecure connection may not be made from a secure page.",
            "SecurityError",
          );
        },
      }),
    });
    const { channel } = join(connection);
    const pending = channel.publish("anything");
    const reading = channel[Symbol.asyncIterator]().next();
    await assert.rejects(pending, { code: "invalid_url", message: /insecure/ });
    await assert.rejects(reading, { code: "invalid_url" });
    const { error } = await events.next("closed");
    assert.equal(error?.code, "invalid_url");
    assert.equal(await channel.closed, error);
    await connection.close();
  });

  it("retries if the WebSocket constructor fails for another reason", async () => {
    const server = await startServer();
    let failures = 1;
    const opened = open(server.url, {
      WebSocket: new Proxy(WebSocket, {
        construct(target, args: ConstructorParameters<typeof WebSocket>) {
          if (failures-- > 0) throw new Error("There are too many.");
          return new target(...args);
        },
      }),
    });
    const { reason, delay } = await opened.events.next("reconnecting");
    assert.equal(reason, "no WebSocket: There are too many.");
    opened.clock.advance(delay);
    (await server.accept()).greet();
    await opened.events.next("open");
  });

  it("throws if the platform has no WebSocket", () => {
    const global = Object.getOwnPropertyDescriptor(globalThis, "WebSocket");
    assert.ok(global);
    Reflect.deleteProperty(globalThis, "WebSocket");
    afterwards(() => Object.defineProperty(globalThis, "WebSocket", global));
    assert.throws(() => connect("ws://127.0.0.1/wss"), { name: "ClientError", code: "no_websocket" });
  });

  it("terminates the WebSocket of a dead server, which sends no Close frame", async () => {
    const server = await startServer();
    const made: WebSocket[] = [];
    class Recorded extends WebSocket {
      constructor(address: string, protocols: string[]) {
        super(address, protocols);
        made.push(this);
      }
    }
    const { connection, events, clock } = open(server.url, { WebSocket: Recorded, closeTimeoutMs: 100 });
    const first = (await server.accept()).greet();
    await events.next("open");
    first.stopReading();
    clock.advance(61_000);
    clock.advance((await events.next("reconnecting")).delay);
    const second = (await server.accept()).greet();
    await events.next("open");
    second.stopReading();
    void connection.publish("room", "never answered").catch(() => undefined);
    void connection.close();
    clock.advance(100);
    assert.equal(made.length, 2);
    for (const webSocket of made)
      if (webSocket.readyState !== WebSocket.CLOSED) await once(webSocket, "close");
  });
});
