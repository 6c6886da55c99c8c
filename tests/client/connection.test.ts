import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { getDefaultAutoSelectFamilyAttemptTimeout, setDefaultAutoSelectFamilyAttemptTimeout } from "node:net";
import type { AddressInfo } from "node:net";

import { WebSocket, WebSocketServer } from "ws";

import { connect } from "../../client/src/index.ts";
import type { Loss, State } from "../../client/src/index.ts";
import { afterwards, becomes, open, retry, startServer, tearDown } from "./support.ts";

describe("the client's connection", () => {
  afterEach(tearDown);

  it("offers resume.v1, and nothing to resume the first time", async () => {
    const server = await startServer();
    const { channel } = open(server.url);
    const accepted = await server.accept();
    assert.deepEqual(accepted.protocols, ["resume.v1"]);
    assert.deepEqual(accepted.resumes, { epoch: null, offset: null });
    assert.equal(accepted.address.pathname, "/wss/room");

    accepted.greet("e", 7);
    assert.deepEqual(await becomes(channel, "open"), { name: "open", epoch: "e", offset: 7, heartbeat: 30 });
    assert.deepEqual(channel.position, { epoch: "e", offset: 7 });
  });

  it("resumes after the last message, and keeps the address's other keys", async () => {
    const server = await startServer();
    const { channel, clock } = open(`${server.url.replace("ws:", "http:")}?tenant=a%20b#part`);
    const messages = channel[Symbol.asyncIterator]();
    const first = (await server.accept()).greet("e/1", 3).deliver(4, 5);
    await messages.next();
    await messages.next();
    first.terminate();
    await retry({ channel, clock });

    const second = await server.accept();
    assert.deepEqual(second.resumes, { epoch: "e/1", offset: "5" });
    assert.equal(second.address.searchParams.get("tenant"), "a b");
  });

  it("resumes after the greeting's offset where no message came, and from where an earlier client stopped", async () => {
    const server = await startServer();
    const opened = open(server.url, { from: { epoch: "e", offset: 12 } });
    const first = await server.accept();
    assert.deepEqual(first.resumes, { epoch: "e", offset: "12" });
    first.greet("e", 12);
    await becomes(opened.channel, "open");
    first.terminate();
    await retry(opened);
    assert.deepEqual((await server.accept()).resumes, { epoch: "e", offset: "12" });
  });

  it("waits a time at random, twice as long after each failure, up to the cap", async () => {
    const server = await startServer((accepted) => {
      accepted.terminate();
    });
    const delays = async (random: () => number): Promise<readonly number[]> => {
      const opened = open(server.url, { random, backoffBaseMs: 100, backoffCapMs: 1000 });
      const waits: number[] = [];
      while (waits.length < 6) waits.push(await retry(opened));
      return waits;
    };
    assert.deepEqual(await delays(() => 0.5), [50, 100, 200, 400, 500, 500]);
    assert.deepEqual(await delays(() => 0), [0, 0, 0, 0, 0, 0]);
  });

  it("forgets failures when a connection has lasted", async () => {
    const server = await startServer();
    const opened = open(server.url, { random: () => 0.5 });
    (await server.accept()).terminate();
    assert.equal(await retry(opened), 500);
    const short = (await server.accept()).greet();
    await becomes(opened.channel, "open");
    short.terminate();
    assert.equal(await retry(opened), 1000);
    const long = (await server.accept()).greet();
    await becomes(opened.channel, "open");
    opened.clock.advance(5000);
    // A log that begins anew is no new connection.
    const anew = new Promise((resolve) => opened.channel.on("state", resolve));
    long.greet("f");
    await anew;
    long.terminate();
    assert.equal(await retry(opened), 500);
  });

  for (const [code, wait] of [
    [1000, 0],
    [1001, 0],
    [1012, 0],
    [1008, 1000],
    [1011, 1000],
    [1013, 1000],
  ] as const) {
    it(`connects again ${wait === 0 ? "soon" : "later"} after ${code}`, async () => {
      const server = await startServer();
      const { channel } = open(server.url, { random: () => 0 });
      const accepted = (await server.accept()).greet();
      await becomes(channel, "open");
      accepted.close(code, "so it is");
      const expected: State & Loss = { name: "waiting", delay: wait, code, reason: "so it is" };
      assert.deepEqual(await becomes(channel, "waiting"), expected);
    });
  }

  describe("is refused", () => {
    /** Answers upgrades with one status after the other, the last one again and again, and plain requests with another. */
    async function startRefusing(
      upgradeStatuses: readonly number[],
      plainStatus = 426,
    ): Promise<{ readonly url: string; readonly upgrades: () => number }> {
      const refusing = createServer((_request, response) => response.writeHead(plainStatus).end());
      let upgrades = 0;
      refusing.on("upgrade", (_request, socket) => {
        const status = upgradeStatuses[Math.min(upgrades, upgradeStatuses.length - 1)];
        upgrades += 1;
        socket.end(`HTTP/1.1 ${status} No\r\n\r\n`);
      });
      await once(refusing.listen(0, "127.0.0.1"), "listening");
      afterwards(() => {
        refusing.closeAllConnections();
        refusing.close();
      });
      const { port } = refusing.address() as AddressInfo;
      return { url: `ws://127.0.0.1:${port}/wss/room`, upgrades: () => upgrades };
    }

    for (const [status, cause] of [
      [400, "the channel's name or the query is malformed"],
      [401, "the token is missing, expired or invalid"],
      [403, "this origin or this token has no access to the channel"],
      [404, "the path is not a channel's"],
      [405, "the path does not support WebSocket"],
      [426, "the path does not support this WebSocket version"],
    ] as const) {
      it(`for good with ${status}, and ends with an error`, async () => {
        const server = await startRefusing([status]);
        const { channel } = open(`${server.url}?secret=1`, { WebSocket });
        const message = `${server.url} refuses the connection with status ${status}: ${cause}.`;
        const published = assert.rejects(channel.publish("lost"), { code: "refused", message });
        const { error } = await becomes(channel, "closed");
        assert.deepEqual([error?.name, error?.code, error?.message], ["ChannelError", "refused", message]);
        await published;
        assert.equal(server.upgrades(), 1);
      });
    }

    for (const status of [429, 500, 503]) {
      it(`with ${status}, and tries again`, async () => {
        const { url } = await startRefusing([status]);
        const { channel } = open(url, { WebSocket });
        const { code, reason } = await becomes(channel, "waiting");
        assert.deepEqual({ code, reason }, { code: 1006, reason: `Unexpected server response: ${status}` });
      });
    }

    it("with a new token, too, and ends with an error", async () => {
      const server = await startRefusing([401, 503, 403]);
      let tokens = 0;
      const opened = open(server.url, { WebSocket, token: () => `token-${(tokens += 1)}` });
      await retry(opened);
      await retry(opened);
      assert.equal((await becomes(opened.channel, "closed")).error?.code, "refused");
      assert.equal(tokens, 3);
    });

    it("after it was open, and tries again", async () => {
      const sockets = new WebSocketServer({ noServer: true });
      const server = createServer();
      server.once("upgrade", (request, socket, head) => {
        server.on("upgrade", (_request, next) => next.end("HTTP/1.1 404 No\r\n\r\n"));
        sockets.handleUpgrade(request, socket, head, (webSocket) => {
          webSocket.send(JSON.stringify({ connection: "ok", epoch: "e", offset: 0, heartbeat: 30 }));
          webSocket.close(1001, "the server goes away");
        });
      });
      await once(server.listen(0, "127.0.0.1"), "listening");
      afterwards(() => server.close());
      const { port } = server.address() as AddressInfo;
      const opened = open(`ws://127.0.0.1:${port}/wss`, { WebSocket });
      await becomes(opened.channel, "open");
      await retry(opened);
      assert.equal((await becomes(opened.channel, "waiting")).reason, "Unexpected server response: 404");
    });

    it("for good where the WebSocket tells no status, and a plain request does", async () => {
      const { url } = await startRefusing([404], 404);
      const { channel } = open(url);
      assert.equal((await becomes(channel, "waiting")).reason, "");
      assert.equal((await becomes(channel, "closed")).error?.code, "refused");
    });

    it("where neither tells a status that is final, and tries again", async () => {
      const { url, upgrades } = await startRefusing([403], 426);
      const opened = open(url);
      for (let n = 1; n <= 3; n++) await retry(opened);
      await becomes(opened.channel, "waiting");
      assert.equal(upgrades(), 4);
    });
  });

  it("tells the code of an error without a message, as where every address of a host is refused", async () => {
    // The refusals decide, however late this process hears of them.
    const attemptMs = getDefaultAutoSelectFamilyAttemptTimeout();
    setDefaultAutoSelectFamilyAttemptTimeout(10_000);
    afterwards(() => {
      setDefaultAutoSelectFamilyAttemptTimeout(attemptMs);
    });
    class WithTwoAddresses extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols, {
          lookup: (_host, _options, found) => {
            found(
              null,
              ["127.0.0.1", "127.0.0.2"].map((address) => ({ address, family: 4 })),
            );
          },
        });
      }
    }
    const { channel } = open("ws://two.test:1", { WebSocket: WithTwoAddresses });
    assert.equal((await becomes(channel, "waiting")).reason, "ECONNREFUSED");
  });

  it("waits up to eight times the base after a code that says later", async () => {
    const server = await startServer();
    const { channel } = open(server.url);
    (await server.accept()).close(1013);
    assert.equal(Math.round((await becomes(channel, "waiting")).delay), 8000);
  });

  it("fetches a token for each connection, and comes back soon with a new one after 1008", async () => {
    const server = await startServer();
    let tokens = 0;
    const opened = open(server.url, {
      token: () => Promise.resolve(`a.b-${(tokens += 1)}`),
      random: () => 0,
    });
    const first = await server.accept();
    assert.deepEqual(first.protocols, ["resume.v1", "bearer.a.b-1"]);
    first.greet();
    await becomes(opened.channel, "open");
    first.close(1008, "the token has expired");
    assert.equal(await retry(opened), 0);
    assert.deepEqual((await server.accept()).protocols, ["resume.v1", "bearer.a.b-2"]);
  });

  it("tries again when there is no token, or none that can be sent", async () => {
    const server = await startServer();
    const answers = [() => Promise.reject(new Error("offline")), () => "two words", () => "good"];
    const opened = open(server.url, { token: () => answers.shift()?.() ?? "" });
    assert.match((await becomes(opened.channel, "waiting")).reason, /^no token: offline$/);
    await retry(opened);
    assert.match((await becomes(opened.channel, "waiting")).reason, /^no token: it has characters/);
    await retry(opened);
    assert.deepEqual((await server.accept()).protocols, ["resume.v1", "bearer.good"]);
  });

  it("gives an attempt up that brings no greeting in time, a slow token included", async () => {
    const server = await startServer();
    let tokens = 0;
    const opened = open(server.url, {
      connectTimeoutMs: 700,
      token: () => ((tokens += 1) === 1 ? new Promise(() => undefined) : "good"),
    });
    opened.clock.advance(699);
    const { state } = opened.channel;
    assert.equal(state.name, "connecting");
    const lost = becomes(opened.channel, "waiting");
    opened.clock.advance(1);
    assert.equal((await lost).reason, "no greeting within 700 ms");
    await retry(opened);
    const silent = await server.accept();
    opened.clock.advance(700);
    assert.equal(opened.channel.state.name, "waiting");
    await silent.closed;
  });

  it("connects again where the server does not speak the protocol", async () => {
    const server = await startServer(undefined, false);
    const { channel } = open(server.url);
    assert.equal((await becomes(channel, "waiting")).code, 1006);
  });

  for (const text of ["no JSON", "null", '{"message":1}', '{"connection":"ok"}', '{"ack":1,"offset":1}']) {
    it(`connects again after ${text}, which is not the protocol`, async () => {
      const server = await startServer();
      const { channel } = open(server.url);
      (await server.accept()).greet().sayText(text);
      await becomes(channel, "open");
      assert.match((await becomes(channel, "waiting")).reason, /^not resume\.v1/);
    });
  }

  it("connects again after a binary frame, and after a message before the greeting", async () => {
    const server = await startServer();
    const opened = open(server.url);
    (await server.accept()).greet().sayText(Buffer.from("{}"));
    await becomes(opened.channel, "open");
    await retry(opened);
    (await server.accept()).deliver(1);
    assert.match((await becomes(opened.channel, "waiting")).reason, /^not resume\.v1/);
  });

  it("ignores what a later version of the protocol says", async () => {
    const server = await startServer();
    const { channel } = open(server.url);
    const messages = channel[Symbol.asyncIterator]();
    (await server.accept()).greet().say({ news: true }, { message: "old news", offset: 1, news: true });
    assert.deepEqual((await messages.next()).value, { message: "old news", epoch: "e", offset: 1 });
  });

  it("tells its states to events and iterators, the newest of those that were not looked at", async () => {
    const server = await startServer();
    const { channel, clock } = open(server.url, { random: () => 0.5 });
    const seen: string[] = [];
    channel.on("state", ({ name }) => seen.push(name));
    const states = channel.states();
    const late = channel.states();
    const next = async (): Promise<State | undefined> => (await states.next()).value;

    assert.deepEqual(await next(), { name: "connecting", failures: 0 });
    const opening = next();
    const accepted = (await server.accept()).greet("e", 1);
    assert.deepEqual(await opening, { name: "open", epoch: "e", offset: 1, heartbeat: 30 });
    const losing = next();
    accepted.close(1001, "the server goes away");
    assert.deepEqual(await losing, {
      name: "waiting",
      delay: 500,
      code: 1001,
      reason: "the server goes away",
    });
    clock.advance(500);
    assert.deepEqual(await next(), { name: "connecting", failures: 1 });
    await channel.close();
    assert.deepEqual(await next(), { name: "closed" });
    assert.equal((await states.next()).done, true);

    assert.deepEqual((await late.next()).value, { name: "closed" });
    assert.equal((await late.next()).done, true);
    assert.deepEqual(seen, ["open", "waiting", "connecting", "closed"]);
    assert.deepEqual((await channel.states().next()).value, { name: "closed" });
  });

  it("keeps working when a listener throws, and reports that as uncaught", async () => {
    const server = await startServer();
    const { channel } = open(server.url);
    const uncaught = new Promise((resolve) => {
      // Mocha's own listeners would fail the test.
      const own = process.listeners("uncaughtException");
      process.removeAllListeners("uncaughtException");
      process.once("uncaughtException", (error) => {
        for (const listener of own) process.on("uncaughtException", listener);
        resolve(error);
      });
    });
    const error = new Error("the application's");
    channel.on("message", ({ offset }) => {
      if (offset === 1) throw error;
    });
    const messages = channel[Symbol.asyncIterator]();
    (await server.accept()).greet().deliver(1, 2);
    assert.equal(await uncaught, error);
    await messages.next();
    assert.equal((await messages.next()).value?.offset, 2);
  });

  it("tells all listeners one event after the other, also where one of them closes the channel", async () => {
    const server = await startServer();
    const { channel } = open(server.url);
    const seen: string[] = [];
    channel.on("state", ({ name }) => {
      if (name === "open") void channel.close();
    });
    channel.on("state", ({ name }) => seen.push(name));
    (await server.accept()).greet();
    await becomes(channel, "closed");
    assert.deepEqual(seen, ["open", "closed"]);
  });

  it("stops calling a listener that was taken off, and not its double", async () => {
    const server = await startServer();
    const { channel } = open(server.url);
    const seen: number[] = [];
    const listener = ({ offset }: { readonly offset: number }): void => void seen.push(offset);
    const stop = channel.on("message", listener);
    channel.on("message", listener);
    const messages = channel[Symbol.asyncIterator]();
    const accepted = (await server.accept()).greet().deliver(1);
    await messages.next();
    stop();
    stop();
    accepted.deliver(2);
    await messages.next();
    assert.deepEqual(seen, [1, 1, 2]);
  });

  it("refuses an address and a limit that cannot be", () => {
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

  it("closes with the error where the WebSocket itself refuses the address", async () => {
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
    const { error } = await becomes(channel, "closed");
    assert.equal(error?.code, "invalid_url");
    await assert.rejects(channel[Symbol.asyncIterator]().next(), { code: "invalid_url" });
    await channel.close();
  });

  it("tries again where no WebSocket can be made for another reason", async () => {
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
    assert.equal((await becomes(opened.channel, "waiting")).reason, "no WebSocket: There are too many.");
    await retry(opened);
    (await server.accept()).greet();
    await becomes(opened.channel, "open");
  });

  it("says that there is no WebSocket, where there is none", () => {
    const global = Object.getOwnPropertyDescriptor(globalThis, "WebSocket");
    assert.ok(global);
    Reflect.deleteProperty(globalThis, "WebSocket");
    afterwards(() => Object.defineProperty(globalThis, "WebSocket", global));
    assert.throws(() => connect("ws://127.0.0.1/wss"), { name: "ChannelError", code: "no_websocket" });
  });

  it("is given up after two silent heartbeats, and resumes", async () => {
    const server = await startServer();
    const opened = open(server.url);
    const { channel, clock } = opened;
    const messages = channel[Symbol.asyncIterator]();
    const accepted = (await server.accept()).greet("e", 3);
    await becomes(channel, "open");
    clock.advance(60_000);
    // Whatever comes is a sign of life.
    accepted.deliver(4);
    await messages.next();
    clock.advance(60_000);
    accepted.say({ heartbeat: 30 }).deliver(5);
    await messages.next();
    clock.advance(60_999);
    assert.equal(channel.state.name, "open");
    clock.advance(1);
    assert.equal((await becomes(channel, "waiting")).reason, "no frame within 61000 ms");
    await retry(opened);
    assert.deepEqual((await server.accept()).resumes, { epoch: "e", offset: "5" });
  });

  it("is given up after the same silence when the date is set back meanwhile", async () => {
    const server = await startServer();
    const { channel, clock } = open(server.url);
    (await server.accept()).greet();
    await becomes(channel, "open");
    clock.setBack(30_000);
    clock.advance(60_999);
    assert.equal(channel.state.name, "open");
    clock.advance(1);
    assert.equal(channel.state.name, "waiting");
  });

  it("is given up when the clock goes back, which makes the silence unknown", async () => {
    const server = await startServer();
    const { channel, clock } = open(server.url);
    (await server.accept()).greet();
    await becomes(channel, "open");
    clock.goBack(90_000);
    clock.advance(61_000);
    assert.equal(channel.state.name, "waiting");
  });

  it("is given up by the system's clock when the date is set back", async () => {
    const server = await startServer();
    const channel = connect(server.url);
    afterwards(() => channel.close());
    (await server.accept()).say({ connection: "ok", epoch: "e", offset: 0, heartbeat: 0.1 });
    await becomes(channel, "open");
    const { now } = Date;
    afterwards(() => (Date.now = now));
    Date.now = () => now() - 30_000;
    assert.equal((await becomes(channel, "waiting")).reason, "no frame within 1200 ms");
  });

  it("is not given up again and again at a server that sends no heartbeats", async () => {
    const server = await startServer();
    const opened = open(server.url);
    const { channel, clock } = opened;
    (await server.accept()).greet();
    await becomes(channel, "open");
    clock.advance(61_000);
    await retry(opened);
    const older = (await server.accept()).greet();
    await becomes(channel, "open");
    clock.advance(3_600_000);
    assert.equal(channel.state.name, "open");
    // It has learned them.
    const messages = channel[Symbol.asyncIterator]();
    older.say({ heartbeat: 10 }).deliver(1);
    await messages.next();
    clock.advance(21_000);
    await becomes(channel, "waiting");
  });

  it("leaves no WebSocket behind that waits for a dead server's Close frame", async () => {
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
    await becomes(channel, "open");
    first.deafen();
    clock.advance(61_000);
    await becomes(channel, "waiting");
    clock.advance(1000);
    const second = (await server.accept()).greet();
    await becomes(channel, "open");
    second.deafen();
    void channel.publish("never answered").catch(() => undefined);
    void channel.close();
    clock.advance(100);
    assert.equal(made.length, 2);
    for (const webSocket of made)
      if (webSocket.readyState !== WebSocket.CLOSED) await once(webSocket, "close");
  });

  it("works with another WebSocket, such as that of ws", async () => {
    const server = await startServer();
    const channel = connect(server.url, { WebSocket });
    afterwards(() => channel.close());
    (await server.accept()).greet();
    await becomes(channel, "open");
  });

  it("takes the system's clock, and connects again by itself", async () => {
    const server = await startServer();
    const channel = connect(server.url, { backoffBaseMs: 5 });
    afterwards(() => channel.close());
    (await server.accept()).terminate();
    (await server.accept()).greet();
    await becomes(channel, "open");
  });
});

describe("the client in a page", () => {
  afterEach(tearDown);

  for (const type of ["visibilitychange", "pageshow", "online", "resume"]) {
    it(`waits no longer than a second on ${type}, at random`, async () => {
      const server = await startServer();
      const { channel, clock, page } = open(server.url, { random: () => 0.5, backoffBaseMs: 20_000 });
      (await server.accept()).terminate();
      await becomes(channel, "waiting");
      page.dispatch(type);
      clock.advance(499);
      assert.equal(channel.state.name, "waiting");
      clock.advance(1);
      (await server.accept()).greet();
      await becomes(channel, "open");
    });
  }

  it("waits as long as the server has asked for", async () => {
    const server = await startServer();
    const { channel, clock, page } = open(server.url);
    (await server.accept()).close(1013);
    const { delay } = await becomes(channel, "waiting");
    page.dispatch("visibilitychange");
    page.dispatch("online");
    clock.advance(delay - 1);
    assert.equal(channel.state.name, "waiting");
    clock.advance(1);
    await server.accept();
  });

  it("does nothing when the page is hidden, or the network goes", async () => {
    const server = await startServer();
    const { channel, clock, page } = open(server.url, { backoffBaseMs: 20_000 });
    (await server.accept()).terminate();
    await becomes(channel, "waiting");
    page.document.visibilityState = "hidden";
    page.dispatch("visibilitychange");
    page.dispatch("offline");
    // What comes back would wait no longer than this.
    clock.advance(1000);
    assert.equal(channel.state.name, "waiting");
  });

  it("begins an attempt anew that hangs, and leaves one alone that has just begun", async () => {
    const server = await startServer();
    let attempts = 0;
    const { clock, page } = open(server.url, {
      token: () => {
        attempts += 1;
        return "any";
      },
    });
    const hanging = await server.accept();
    page.dispatch("visibilitychange");
    assert.equal(attempts, 1);
    clock.advance(2001);
    page.dispatch("visibilitychange");
    assert.equal(attempts, 2);
    await hanging.closed;
    await server.accept();
  });

  it("leaves a connection alone that nothing happened to", async () => {
    const server = await startServer();
    const { channel, clock, page } = open(server.url);
    const accepted = (await server.accept()).greet();
    await becomes(channel, "open");
    const messages = channel[Symbol.asyncIterator]();
    for (let offset = 1; offset <= 10; offset++) {
      clock.advance(30_000);
      accepted.say({ heartbeat: 30 }).deliver(offset);
      await messages.next();
    }
    for (const type of ["visibilitychange", "pageshow", "online", "resume"]) page.dispatch(type);
    assert.equal(channel.state.name, "open");
    const published = channel.publish("still here");
    accepted.ack(await accepted.next(), 1);
    await published;
  });

  it("replaces a connection whose page or machine slept, and resumes", async () => {
    const server = await startServer();
    const { channel, clock, page } = open(server.url);
    const before = (await server.accept()).greet("e", 5);
    await becomes(channel, "open");
    clock.sleep(100_000);
    page.dispatch("visibilitychange");
    const after = await server.accept();
    assert.deepEqual(after.resumes, { epoch: "e", offset: "5" });
    await before.closed;

    // Without a page, the next tick finds it out.
    after.greet("e", 5);
    await becomes(channel, "open");
    clock.sleep(100_000);
    clock.advance(15_000);
    await server.accept();
  });

  it("replaces a connection when the network has changed, or the page comes out of the cache", async () => {
    const server = await startServer();
    const { channel, page } = open(server.url);
    (await server.accept()).greet();
    await becomes(channel, "open");
    page.dispatch("offline");
    page.dispatch("online");
    (await server.accept()).greet();
    await becomes(channel, "open");
    page.dispatch("pageshow", true);
    (await server.accept()).greet();
    await becomes(channel, "open");
    page.dispatch("online");
    assert.equal(channel.state.name, "open");
  });

  it("leaves nothing behind", async () => {
    const server = await startServer();
    const { channel, clock, page } = open(server.url);
    (await server.accept()).greet();
    await becomes(channel, "open");
    assert.equal(page.listeners, 1);
    await channel.close();
    assert.equal(page.listeners, 0);
    assert.equal(clock.timers, 0);
  });
});
