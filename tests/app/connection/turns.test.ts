/** Turns of the event loop stay short, whatever many clients do at once. */
import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";

import { WriteTurns } from "../../../app/src/connection/writeTurns.ts";
import { connect } from "../support/client.ts";
import { clientFrame, connectRaw } from "../support/rawClient.ts";
import { startServer, UNLIMITED } from "../support/server.ts";
import { tearDown } from "../support/teardown.ts";

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
});
