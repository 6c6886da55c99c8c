import assert from "node:assert/strict";
import type { Joined } from "../../app/src/channel/cursor.ts";
import { connect, refusal } from "./support/client.ts";
import { recordLog } from "./support/logLines.ts";
import { ManualLog, memoryLog } from "./support/logs.ts";
import { nextServerSocket, openSocket, upgradeRequest } from "./support/rawClient.ts";
import { DEFAULT_CHANNEL, startServer } from "./support/server.ts";
import { tearDown } from "./support/teardown.ts";
import { waitUntil } from "../support/waitUntil.ts";

describe("upgrades", () => {
  afterEach(tearDown);

  it("are answered with 503 and Retry-After if the server is full, until a client has left", async () => {
    const { url, origin } = await startServer({ maxConnections: 1 });
    const first = await connect(url);
    assert.deepEqual(await refusal(url), { status: 503, retryAfter: "5" });
    assert.equal((await fetch(`${origin}/health`)).status, 200, "it is full, not ill");
    first.webSocket.close();
    await first.closed;
    await connect(url);
  });

  it("count while they are pending", async () => {
    const log = new ManualLog();
    const { url, address } = await startServer({ maxConnections: 1 }, { log });
    openSocket(address.port).write(upgradeRequest());
    await waitUntil(() => log.readers.has(DEFAULT_CHANNEL));
    assert.deepEqual(await refusal(url), { status: 503, retryAfter: "5" });
  });

  it("leave nothing behind if the client leaves first", async () => {
    const log = new ManualLog();
    const { address, hub } = await startServer({}, { log });
    const accepted = nextServerSocket();
    const socket = openSocket(address.port);
    socket.write(upgradeRequest());
    await waitUntil(() => log.readers.has(DEFAULT_CHANNEL));
    const ended = await accepted;
    socket.resetAndDestroy();
    await waitUntil(() => ended.closed);
    assert.equal(hub.channels, 1);
    log.reader(DEFAULT_CHANNEL).started({ epoch: "e", next: 1 });
    await waitUntil(() => hub.channels === 0);
  });

  it("leave nothing behind, and log nothing, if the log does not answer", async () => {
    const { logger, messages } = recordLog();
    const log = new ManualLog();
    const server = await startServer({}, { log, logger });
    const joins: Promise<Joined>[] = [];
    const join = server.hub.join.bind(server.hub);
    server.hub.join = (...args) => {
      const joining = join(...args);
      joins.push(joining);
      return joining;
    };
    const refused = [refusal(server.url), refusal(server.url)];
    await waitUntil(() => joins.length === 2);
    const draining = server.drain();
    for (const answer of refused) assert.deepEqual(await answer, { status: 503, retryAfter: "5" });
    for (const { status } of await Promise.allSettled(joins)) assert.equal(status, "rejected");
    await waitUntil(() => server.hub.channels === 0);
    await draining;
    assert.deepEqual(messages(), ["draining", "drained"]);
  });

  it("log nothing at the level info if they fail", async () => {
    const { logger, messages } = recordLog();
    const log = memoryLog();
    const { url } = await startServer({}, { log, logger });
    await log.close();
    assert.deepEqual(await refusal(url), { status: 503, retryAfter: "5" });
    assert.deepEqual(messages(), []);
  });

  it("to too many channels are refused with 503, until another channel is unused", async () => {
    const { url, hub } = await startServer({ maxChannels: 2 });
    const [a] = [await connect(`${url}/a`), await connect(`${url}/b`)];
    assert.deepEqual(await refusal(`${url}/c`), { status: 503, retryAfter: "5" });
    await connect(`${url}/b`);
    a.webSocket.close();
    await waitUntil(() => hub.channels === 1);
    await connect(`${url}/c`);
  });
});
