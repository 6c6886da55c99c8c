import assert from "node:assert/strict";
import { once } from "node:events";

import { WebSocket } from "ws";

import { connect } from "../../client/src/index.ts";
import { open, retry, untilState } from "./support/channel.ts";
import { startServer } from "./support/scriptedServer.ts";
import { afterwards, tearDown } from "../app/support/teardown.ts";

describe("a client's connection", () => {
  afterEach(tearDown);

  it("offers resume.v1, at first without a position", async () => {
    const server = await startServer();
    const { channel } = open(server.url);
    const accepted = await server.accept();
    assert.deepEqual(accepted.protocols, ["resume.v1"]);
    assert.deepEqual(accepted.resumePoint, { epoch: null, offset: null });
    assert.equal(accepted.url.pathname, "/wss/room");

    accepted.greet("e", 7);
    assert.deepEqual(await untilState(channel, "open"), {
      name: "open",
      epoch: "e",
      offset: 7,
      heartbeat: 30,
    });
    assert.deepEqual(channel.position, { epoch: "e", offset: 7 });
  });

  it("resumes after the last message, and keeps the URL's other query keys", async () => {
    const server = await startServer();
    const { channel, clock } = open(`${server.url.replace("ws:", "http:")}?tenant=a%20b#part`);
    const messages = channel[Symbol.asyncIterator]();
    const first = (await server.accept()).greet("e/1", 3).deliver(4, 5);
    await messages.next();
    await messages.next();
    first.terminate();
    await retry({ channel, clock });

    const second = await server.accept();
    assert.deepEqual(second.resumePoint, { epoch: "e/1", offset: "5" });
    assert.equal(second.url.searchParams.get("tenant"), "a b");
  });

  it("resumes at the greeting's offset without messages, and at the position of an earlier client", async () => {
    const server = await startServer();
    const opened = open(server.url, { from: { epoch: "e", offset: 12 } });
    const first = await server.accept();
    assert.deepEqual(first.resumePoint, { epoch: "e", offset: "12" });
    first.greet("e", 12);
    await untilState(opened.channel, "open");
    first.terminate();
    await retry(opened);
    assert.deepEqual((await server.accept()).resumePoint, { epoch: "e", offset: "12" });
  });

  it("gets a token for each connection, and reconnects soon with a new one after 1008", async () => {
    const server = await startServer();
    let tokens = 0;
    const opened = open(server.url, {
      token: () => Promise.resolve(`a.b-${(tokens += 1)}`),
      random: () => 0,
    });
    const first = await server.accept();
    assert.deepEqual(first.protocols, ["resume.v1", "bearer.a.b-1"]);
    first.greet();
    await untilState(opened.channel, "open");
    first.close(1008, "the token has expired");
    assert.equal(await retry(opened), 0);
    assert.deepEqual((await server.accept()).protocols, ["resume.v1", "bearer.a.b-2"]);
  });

  it("retries if the token function fails, or the token is not a valid subprotocol", async () => {
    const server = await startServer();
    const answers = [() => Promise.reject(new Error("offline")), () => "two words", () => "good"];
    const opened = open(server.url, { token: () => answers.shift()?.() ?? "" });
    assert.match((await untilState(opened.channel, "waiting")).reason, /^no token: offline$/);
    await retry(opened);
    assert.match((await untilState(opened.channel, "waiting")).reason, /^no token: it has characters/);
    await retry(opened);
    assert.deepEqual((await server.accept()).protocols, ["resume.v1", "bearer.good"]);
  });

  it("retries if the server does not select the subprotocol", async () => {
    const server = await startServer(undefined, false);
    const { channel } = open(server.url);
    assert.equal((await untilState(channel, "waiting")).code, 1006);
  });

  for (const text of ["no JSON", "null", '{"message":1}', '{"connection":"ok"}', '{"ack":1,"offset":1}']) {
    it(`reconnects after the invalid frame ${text}`, async () => {
      const server = await startServer();
      const { channel } = open(server.url);
      (await server.accept()).greet().sendRaw(text);
      await untilState(channel, "open");
      assert.match((await untilState(channel, "waiting")).reason, /^not resume\.v1/);
    });
  }

  it("reconnects after a binary frame, and after a message before the greeting", async () => {
    const server = await startServer();
    const opened = open(server.url);
    (await server.accept()).greet().sendRaw(Buffer.from("{}"));
    await untilState(opened.channel, "open");
    await retry(opened);
    (await server.accept()).deliver(1);
    assert.match((await untilState(opened.channel, "waiting")).reason, /^not resume\.v1/);
  });

  it("ignores frames and keys of a later protocol version", async () => {
    const server = await startServer();
    const { channel } = open(server.url);
    const messages = channel[Symbol.asyncIterator]();
    (await server.accept()).greet().send({ news: true }, { message: "old news", offset: 1, news: true });
    assert.deepEqual((await messages.next()).value, { message: "old news", epoch: "e", offset: 1 });
  });

  it("rejects an invalid URL and an invalid limit", () => {
    for (const url of ["nothing", "ftp://example.com/wss", ""]) {
      assert.throws(() => connect(url), { name: "ChannelError", code: "invalid_url" });
    }
    for (const value of [0, -1, NaN]) {
      assert.throws(() => connect("ws://127.0.0.1/wss", { maxInFlight: value }), {
        name: "RangeError",
        message: `\`maxInFlight\`: got ${value}; expected a number of at least 1.`,
      });
    }
  });

  it("closes with an error if the WebSocket rejects the URL", async () => {
    const { channel } = open("ws://127.0.0.1:1/wss", {
      WebSocket: new Proxy(WebSocket, {
        construct() {
          throw new DOMException(
            "An insecure connection may not be made from a secure page.",
            "SecurityError",
          );
        },
      }),
    });
    const pending = channel.publish("anything");
    const messages = channel[Symbol.asyncIterator]();
    const reading = messages.next();
    await assert.rejects(pending, { code: "invalid_url", message: /insecure/ });
    await assert.rejects(reading, { code: "invalid_url" });
    assert.equal((await messages.next()).done, true);
    const { error } = await untilState(channel, "closed");
    assert.equal(error?.code, "invalid_url");
    await assert.rejects(channel[Symbol.asyncIterator]().next(), { code: "invalid_url" });
    await channel.close();
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
    assert.equal((await untilState(opened.channel, "waiting")).reason, "no WebSocket: There are too many.");
    await retry(opened);
    (await server.accept()).greet();
    await untilState(opened.channel, "open");
  });

  it("throws if the platform has no WebSocket", () => {
    const global = Object.getOwnPropertyDescriptor(globalThis, "WebSocket");
    assert.ok(global);
    Reflect.deleteProperty(globalThis, "WebSocket");
    afterwards(() => Object.defineProperty(globalThis, "WebSocket", global));
    assert.throws(() => connect("ws://127.0.0.1/wss"), { name: "ChannelError", code: "no_websocket" });
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
    const { channel, clock } = open(server.url, { WebSocket: Recorded, closeTimeoutMs: 100 });
    const first = (await server.accept()).greet();
    await untilState(channel, "open");
    first.stopReading();
    clock.advance(61_000);
    await untilState(channel, "waiting");
    clock.advance(1000);
    const second = (await server.accept()).greet();
    await untilState(channel, "open");
    second.stopReading();
    void channel.publish("never answered").catch(() => undefined);
    void channel.close();
    clock.advance(100);
    assert.equal(made.length, 2);
    for (const webSocket of made)
      if (webSocket.readyState !== WebSocket.CLOSED) await once(webSocket, "close");
  });
});
