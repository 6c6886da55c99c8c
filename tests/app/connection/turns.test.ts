/** Turns of the event loop stay short, whatever many clients do at once. */
import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";

import { FULL_ACCESS } from "../../../app/src/auth/authorize.ts";
import { Users } from "../../../app/src/auth/users.ts";
import { Hub } from "../../../app/src/channel/hub.ts";
import { ChannelsConnection } from "../../../app/src/connection/channels/channelsConnection.ts";
import { WriteTurns } from "../../../app/src/connection/writeTurns.ts";
import { defaultSettings } from "../../../app/src/settings/settings.ts";
import { connect } from "../support/client.ts";
import { memoryLog } from "../support/logs.ts";
import { clientFrame, connectRaw } from "../support/rawClient.ts";
import { startServer, UNLIMITED } from "../support/server.ts";
import { afterwards, tearDown } from "../support/teardown.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import { closeContext, createContext, RESPONSE } from "./model/modelContext.ts";
import { ModelSocket } from "./model/modelSocket.ts";

const KIB = 1024;

describe("a turn of the event loop", () => {
  afterEach(tearDown);

  it("reads a bounded number of messages of all clients, and a quiet client waits for few of them", async () => {
    const CLIENTS = 100;
    const MESSAGES = 200;
    const server = await startServer(UNLIMITED);
    const { counts } = server.metrics;
    const quiet = await connect(`${server.url}/quiet`);
    const raws = await Promise.all(Array.from({ length: CLIENTS }, () => connectRaw(server.address.port)));
    const burst = Buffer.concat(Array.from({ length: MESSAGES }, () => clientFrame(0x1, Buffer.from("1"))));
    for (const { socket } of raws) socket.write(burst);
    quiet.send("quiet");
    let before = counts.received;
    let most = 0;
    let readUntilQuiet = 0;
    void quiet.nextMessage().then(() => (readUntilQuiet = counts.received));
    while (counts.received < CLIENTS * MESSAGES + 1) {
      await nextTurn();
      most = Math.max(most, counts.received - before);
      before = counts.received;
    }
    // Sockets continue before those that have new bytes, so two shares can follow each other.
    assert.ok(most <= 2500, `${most} messages in a turn`);
    assert.ok(readUntilQuiet > 0 && readUntilQuiet < (CLIENTS * MESSAGES) / 2, `after ${readUntilQuiet}`);
  });

  it("writes to a part of the clients if that takes long, and to the others in the next ones, in order", async () => {
    const turns = new WriteTurns();
    const written: number[] = [];
    const writeSlowly = (n: number): void => {
      const until = performance.now() + 1;
      while (performance.now() < until);
      written.push(n);
    };
    for (let n = 0; n < 200; n++) {
      turns.add({
        write: () => {
          writeSlowly(n);
        },
      });
    }
    let most = 0;
    for (let before = 0; written.length < 200; before = written.length) {
      await nextTurn();
      most = Math.max(most, written.length - before);
    }
    assert.ok(most <= 32, `${most} in a turn`);
    assert.deepEqual(
      written,
      Array.from({ length: 200 }, (_, n) => n),
    );
  });

  it("writes to a client of channels.v1 as much as it reads, although one write has little", async () => {
    const PER_TURN = 64;
    const TURNS = 50;
    const settings = { ...defaultSettings(), cacheMib: 4 };
    const hub = new Hub({ ...settings, log: memoryLog(64 * KIB) });
    const context = createContext(hub, settings);
    afterwards(() => {
      closeContext(context);
    });
    const user = new Users(settings).connect("a");
    assert.ok(typeof user !== "string");
    const socket = new ModelSocket();
    const texts: string[] = [];
    socket.onText = (text) => texts.push(text.slice(0, 50));
    const client = { user, publisher: undefined, expiresAt: undefined, client: undefined };
    const connection = new ChannelsConnection(socket.asSocket, FULL_ACCESS, client, context);
    connection.start(RESPONSE, Buffer.alloc(0));
    socket.send({ subscribe: "a" });
    await waitUntil(() => texts.length === 2);

    // More than is retained, so the client must receive it in the turn or soon after it.
    const payload = JSON.stringify("x".repeat(8 * KIB));
    for (let turn = 0; turn < TURNS; turn++) {
      for (let n = 0; n < PER_TURN; n++) await hub.publish({ channel: "a", payload });
      await nextTurn();
    }
    await waitUntil(() => texts.at(-1)?.includes(`"offset":${PER_TURN * TURNS},`) === true);
    assert.deepEqual(
      texts.filter((text) => text.includes("gap")),
      [],
    );
    connection.terminate();
  });

  it("lets connections that have much more write in rotation, for a bounded time", async () => {
    const turns = new WriteTurns();
    const written: number[] = [];
    let hasMore = true;
    const writers = [0, 1, 2].map((n) => ({
      write(): void {
        written.push(n);
        if (hasMore) turns.addNext(this);
      },
    }));
    for (const writer of writers) turns.addNext(writer);
    await nextTurn();
    await nextTurn();
    hasMore = false;
    assert.ok(written.length > 0);
    assert.ok(
      written.every((n, index) => n === index % writers.length),
      "not in rotation",
    );
  });
});
