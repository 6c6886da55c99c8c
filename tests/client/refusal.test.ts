import assert from "node:assert/strict";
import { createServer } from "node:http";
import { getDefaultAutoSelectFamilyAttemptTimeout, setDefaultAutoSelectFamilyAttemptTimeout } from "node:net";

import { WebSocket, WebSocketServer } from "ws";

import { listen } from "../app/support/listen.ts";
import { join, open, retry } from "./support/connection.ts";
import { afterwards, tearDown } from "../app/support/teardown.ts";

/** Answers each upgrade with the next status, or the last one, and plain requests with another status. */
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
  const port = await listen(refusing);
  return { url: `ws://127.0.0.1:${port}/wss`, upgrades: () => upgrades };
}

describe("a client whose upgrade is refused", () => {
  afterEach(tearDown);

  for (const status of [400, 401, 403, 404, 405, 426]) {
    it(`ends with an error after ${status}`, async () => {
      const server = await startRefusing([status]);
      const { connection, events } = open(`${server.url}?secret=1`, { WebSocket });
      const { channel } = join(connection);
      const message = `${server.url} refuses the connection with status ${status}.`;
      const published = assert.rejects(channel.publish("lost"), { code: "refused", message });
      const { error, reason } = await events.next("closed");
      assert.deepEqual([error?.name, error?.code, error?.message], ["ClientError", "refused", message]);
      assert.equal(reason, message);
      assert.equal(await channel.closed, error);
      await published;
      assert.equal(server.upgrades(), 1);
    });
  }

  for (const status of [429, 500, 503]) {
    it(`retries after ${status}`, async () => {
      const { url } = await startRefusing([status]);
      const { events } = open(url, { WebSocket });
      const { code, reason } = await events.next("reconnecting");
      assert.deepEqual({ code, reason }, { code: 1006, reason: `Unexpected server response: ${status}` });
    });
  }

  it("ends with an error if a new token is refused, too", async () => {
    const server = await startRefusing([401, 503, 403]);
    let tokens = 0;
    const opened = open(server.url, { WebSocket, token: () => `token-${(tokens += 1)}` });
    await retry(opened);
    await retry(opened);
    assert.equal((await opened.events.next("closed")).error?.code, "refused");
    assert.equal(tokens, 3);
  });

  it("retries after 404 if it was open before", async () => {
    const sockets = new WebSocketServer({ noServer: true });
    const server = createServer();
    server.once("upgrade", (request, socket, head) => {
      server.on("upgrade", (_request, next) => next.end("HTTP/1.1 404 No\r\n\r\n"));
      sockets.handleUpgrade(request, socket, head, (webSocket) => {
        webSocket.send(JSON.stringify({ connection: "ok", heartbeat: 30 }));
        webSocket.close(1001, "the server shuts down");
      });
    });
    const port = await listen(server);
    const opened = open(`ws://127.0.0.1:${port}/wss`, { WebSocket });
    await opened.events.next("open");
    await retry(opened);
    assert.equal((await opened.events.next("reconnecting")).reason, "Unexpected server response: 404");
  });

  it("ends with an error if the WebSocket reports no status, and a plain request answers 404", async () => {
    const { url } = await startRefusing([404], 404);
    const { events } = open(url);
    assert.equal((await events.next("reconnecting")).reason, "");
    assert.equal((await events.next("closed")).error?.code, "refused");
  });

  it("retries after 403 if the WebSocket reports no status", async () => {
    const { url, upgrades } = await startRefusing([403], 426);
    const opened = open(url);
    for (let n = 1; n <= 3; n++) await retry(opened);
    await opened.events.next("reconnecting");
    assert.equal(upgrades(), 4);
  });

  it("reports the code of an error without a message, as if all addresses refuse the connection", async () => {
    // No timeout of an attempt must end the connection before the refusals do.
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
    const { events } = open("ws://two.test:1", { WebSocket: WithTwoAddresses });
    assert.equal((await events.next("reconnecting")).reason, "ECONNREFUSED");
  });
});
