/** Every way in which the server refuses or ends a connection, as PROTOCOL.md lists them. */
import assert from "node:assert/strict";
import { text } from "node:stream/consumers";

import { CLOCK_TOLERANCE_SECONDS, FULL_ACCESS } from "../../../app/src/auth/authorize.ts";
import type { Grant } from "../../../app/src/auth/authorize.ts";
import { connectChannels } from "../support/channelsClient.ts";
import { connect } from "../support/client.ts";
import { ManualLog } from "../support/logs.ts";
import { protocolTable } from "../support/protocolPage.ts";
import { exchange, nextServerSocket, openSocket, upgradeRequest } from "../support/rawClient.ts";
import { DEFAULT_CHANNEL, startServer } from "../support/server.ts";
import { tearDown } from "../support/teardown.ts";
import { accessBy } from "../support/tokens.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import type { Client } from "../support/client.ts";
import type { TestServer } from "../support/server.ts";

type Ending = () => Promise<Client>;

/** What brings a close code about; several where PROTOCOL.md gives several reasons. */
const closes: Readonly<Record<string, Readonly<Record<string, Ending>>>> = {
  1001: {
    "it shuts down": async () => {
      const server = await startServer();
      const client = await connect(server.url);
      void server.drain();
      return client;
    },
  },
  1002: {
    "a frame breaks RFC 6455": async () => {
      const client = await connect((await startServer()).url);
      client.webSocket.send("1", { mask: false });
      return client;
    },
  },
  1007: {
    "a text frame is not UTF-8": async () => {
      const client = await connect((await startServer()).url);
      client.webSocket.send(Buffer.from([0xff]), { binary: false });
      return client;
    },
  },
  1008: {
    "too many messages": async () => {
      const client = await connect((await startServer({ messagesPerSecond: 1, messageBurst: 1 })).url);
      for (const value of [1, 2]) client.send(value);
      return client;
    },
    "too many bytes of one user": async () => {
      const client = await connect(
        (await startServer({ maxPayloadBytes: 10, messageBurst: 10_000, bytesPerSecondPerUser: 1 })).url,
      );
      for (let n = 0; n < 1000; n++) client.send(n);
      return client;
    },
    "a message in too many parts": async () => {
      const client = await connect((await startServer()).url);
      for (let n = 0; n <= 1024; n++) client.webSocket.send(n === 0 ? "1" : "", { fin: n === 1024 });
      return client;
    },
    "an expired token": async () => {
      const expiresAt = Date.now() + 50 - CLOCK_TOLERANCE_SECONDS * 1000;
      const authorize = (): Promise<Grant> =>
        Promise.resolve({ granted: true, access: FULL_ACCESS, expiresAt });
      return connect((await startServer({}, { authorize })).url);
    },
  },
  1009: {
    "a message is too big": async () => {
      const client = await connect((await startServer({ maxPayloadBytes: 10 })).url);
      client.send("1234567890");
      return client;
    },
    "a message with its envelope is too big": async () => {
      const client = await connectChannels((await startServer({ maxPayloadBytes: 10 })).url);
      client.webSocket.send(`{"publish":1${" ".repeat(1024)}}`);
      return client;
    },
  },
  1012: {
    "another task has more room": async () => {
      const server = await startServer();
      const plain = await connect(server.url);
      const client = await connectChannels(server.url);
      await server.release(5, 0);
      plain.send("barrier");
      assert.equal(await plain.nextMessage(), "barrier", "plain clients stay");
      return client;
    },
  },
  1013: {
    "the client reads too slowly": async () => {
      const server = await startServer({ retainedBytes: 256 * 1024, cacheMib: 4 });
      const client = await connect(server.url);
      client.webSocket.pause();
      const json = JSON.stringify("x".repeat(60_000));
      // Much more than the buffers of both ends of a connection hold.
      for (let n = 0; n < 300; n++) await server.hub.publish({ channel: DEFAULT_CHANNEL, payload: json });
      client.webSocket.resume();
      return client;
    },
  },
};

const malformed = (request: string) => (server: TestServer) => exchange(server.address.port, request);
const at = (target: string): ReturnType<typeof malformed> => malformed(upgradeRequest(target));

/** Refusals by status and reason; each returns the answer to the upgrade request. */
const refusals: Readonly<Record<string, Readonly<Record<string, (server: TestServer) => Promise<string>>>>> =
  {
    400: {
      "no HTTP": malformed("no HTTP\r\n\r\n"),
      "HTTP/1.0": malformed(upgradeRequest().replace("HTTP/1.1", "HTTP/1.0")),
      "a key that is too short": malformed(upgradeRequest().replace("AAAAAAAAAAAAAAAAAAAAAA==", "AAAA")),
      "no key": malformed(upgradeRequest().replace("Sec-WebSocket-Key", "X-Key")),
      "another version": malformed(upgradeRequest().replace("Version: 13", "Version: 8")),
      "malformed subprotocols": malformed(
        upgradeRequest("/wss", ["Sec-WebSocket-Protocol: channels.v1,, x y"]),
      ),
      "a body of a known length": malformed(upgradeRequest("/wss", ["Content-Length: 1"])),
      "a body in chunks": malformed(upgradeRequest("/wss", ["Transfer-Encoding: chunked"])),
      "no host": malformed(upgradeRequest().replace("Host", "X-Host")),
      "two hosts": malformed(upgradeRequest("/wss", ["Host: another"])),
      "a channel without a name": at("/wss//"),
      "a channel with a name that is too long": at(`/wss/${"n".repeat(65)}`),
      "a channel with other characters": at("/wss/a/b"),
      "a channel with an escape": at("/wss/%61"),
      "a channel named like a step in a path": at("/wss/."),
      "a channel named like a step back in a path": at("/wss/.."),
    },
    401: {
      "no valid token": async () => {
        const { address } = await startServer(
          {},
          { authorize: () => Promise.resolve({ granted: false, status: 401, reason: "no token" }) },
        );
        return exchange(address.port, upgradeRequest());
      },
    },
    403: {
      "an origin that is not allowed": async () => {
        const { address } = await startServer({ allowedOrigins: ["https://app.example"] });
        return exchange(address.port, upgradeRequest("/wss", ["Origin: https://evil.example"]));
      },
      "a token that does not open the channel": async () => {
        const { address } = await startServer(
          {},
          {
            authorize: () =>
              Promise.resolve({
                granted: true,
                access: accessBy(() => ({ canSubscribe: false, canPublish: false })),
              }),
          },
        );
        return exchange(address.port, upgradeRequest());
      },
    },
    404: Object.fromEntries(
      [
        ...["/", "/health", "/ws", "/wssx", "/WSS", "/./wss", "/x/../wss/a", "/wss\\a"],
        ...["*", "//x/wss", "http://x", "http://[/wss", "ftp://x/wss"],
      ].map((target) => [target, at(target)]),
    ),
    405: {
      "another method": malformed(upgradeRequest().replace("GET", "PUT")),
    },
    408: {
      "headers that arrive byte by byte": async () => {
        const { address } = await startServer({}, { limits: { requestTimeoutMs: 300 } });
        const socket = openSocket(address.port);
        const request = upgradeRequest();
        let sent = 0;
        const sending = setInterval(() => socket.write(request.charAt(sent++)), 20);
        const answer = await text(socket);
        clearInterval(sending);
        assert.ok(sent < request.length, "the whole request was sent");
        return answer;
      },
    },
    429: {
      "a user with too many connections": async () => {
        const { address, url } = await startServer({ connectionsPerUser: 1 });
        await connect(url);
        return exchange(address.port, upgradeRequest());
      },
      "a user with too many channels": async () => {
        const { address, url } = await startServer({ channelsPerUser: 1 });
        await connect(`${url}/a`);
        return exchange(address.port, upgradeRequest("/wss/b"));
      },
    },
    431: {
      "a header that is too long": malformed(upgradeRequest("/wss", [`X: ${"x".repeat(16 * 1024)}`])),
      "too many headers": malformed(upgradeRequest("/wss", Array<string>(3000).fill("X: x"))),
      "a query that is too long": at(`/wss?${"x".repeat(16 * 1024)}`),
    },
    503: {
      "a full server": async () => {
        const { address, url } = await startServer({ maxConnections: 1 });
        await connect(url);
        return exchange(address.port, upgradeRequest());
      },
      "a server with too many channels": async () => {
        const { address, url } = await startServer({ maxChannels: 1 });
        await connect(`${url}/a`);
        return exchange(address.port, upgradeRequest("/wss/b"));
      },
      "a server that shuts down": async (server) => {
        await server.drain();
        return exchange(server.address.port, upgradeRequest());
      },
      "a server that cannot check tokens": async () => {
        const { address } = await startServer(
          {},
          { authorize: () => Promise.resolve({ granted: false, status: 503, reason: "no keys" }) },
        );
        return exchange(address.port, upgradeRequest());
      },
    },
  };

describe("every ending", () => {
  afterEach(tearDown);

  it("that PROTOCOL.md lists has a test here", () => {
    assert.deepEqual(
      protocolTable("Closing").map(([code]) => code),
      Object.keys(closes),
    );
    assert.deepEqual(
      protocolTable("Connecting").map(([status]) => status),
      Object.keys(refusals),
    );
  });

  for (const [code, reasons] of Object.entries(closes)) {
    for (const [reason, end] of Object.entries(reasons)) {
      it(`has its code: ${code} for ${reason}`, async () => {
        const client = await end();
        const closed = await client.closed;
        assert.deepEqual({ ...closed, reason: closed.reason !== "" }, { code: Number(code), reason: true });
      });
    }
  }

  for (const [status, reasons] of Object.entries(refusals)) {
    for (const [reason, refuse] of Object.entries(reasons)) {
      it(`has its status: ${status} for ${reason}`, async () => {
        const server = await startServer();
        const answer = await refuse(server);
        assert.ok(answer.startsWith(`HTTP/1.1 ${status} `), answer);
        assert.match(answer, /\r\nConnection: close\r\n/);
        assert.equal(answer.includes("\r\nRetry-After: 5\r\n"), ["429", "503"].includes(status));
      });
    }
  }

  it("is immediate for a client that has left while its upgrade was pending", async () => {
    const log = new ManualLog();
    const server = await startServer({}, { log });
    const accepted = nextServerSocket();
    const client = openSocket(server.address.port);
    client.write(upgradeRequest());
    await waitUntil(() => log.readers.size > 0);
    const socket = await accepted;
    client.end();
    await waitUntil(() => socket.readableEnded);
    log.reader(DEFAULT_CHANNEL).started({ epoch: "e", next: 1 });
    // Otherwise it would miss its first heartbeat after 30 to 60 seconds.
    await waitUntil(() => server.metrics.snapshot().tally.closes["1006"] === 1);
    assert.equal(server.connections(), 0);
  });

  it("does not follow a release of 0 clients", async () => {
    const server = await startServer();
    const client = await connectChannels(server.url);
    await server.release(0, 0);
    assert.equal(await client.publish("a", 1, "1"), 1);
    assert.equal(client.webSocket.readyState, client.webSocket.OPEN);
  });
});
