import assert from "node:assert/strict";
import { once } from "node:events";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";

import { UntakenBytes } from "../../../app/src/connection/untakenBytes.ts";
import { connectChannels } from "../support/channelsClient.ts";
import { connect } from "../support/client.ts";
import { startManualServer } from "../support/manualServer.ts";
import { memoryInUse } from "../support/memory.ts";
import { clientFrame, connectRaw, nextServerSocket } from "../support/rawClient.ts";
import { DEFAULT_CHANNEL, startServer } from "../support/server.ts";
import { afterwards, tearDown } from "../support/teardown.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import type { TestServer } from "../support/server.ts";

const TEXT_BYTES = 200_000;

/** More than the buffers of the system hold. */
const FILLING_MESSAGES = 100;

/** More than that. */
const RETAINED_BYTES = 1 << 26;

describe("the memory of unread frames", () => {
  afterEach(tearDown);

  it("counts once for recipients that share it", () => {
    const untaken = new UntakenBytes({ maxUntakenBytes: 10 });
    const [one, other] = [recipient(), recipient()];
    const shared = {};
    untaken.keep(one, shared, 6);
    untaken.keep(other, shared, 6);
    assert.equal(untaken.total, 6);
    untaken.release(one, shared);
    untaken.release(one, shared);
    assert.equal(untaken.total, 6);
    untaken.release(other, shared);
    assert.equal(untaken.total, 0);
  });

  it("ends the recipients of the oldest piece beyond the limit", () => {
    const untaken = new UntakenBytes({ maxUntakenBytes: 10 });
    const [first, second, third] = [recipient(), recipient(), recipient()];
    const shared = {};
    untaken.keep(first, shared, 4);
    untaken.keep(second, shared, 4);
    untaken.keep(third, {}, 6);
    assert.equal(first.ended + second.ended + third.ended, 0);
    const grown = {};
    untaken.keep(third, grown, 1);
    assert.deepEqual([first.ended, second.ended, third.ended], [1, 1, 0]);
    untaken.keep(third, grown, 4);
    assert.deepEqual([untaken.total, third.ended], [10, 0]);
  });

  it("counts nothing for an upgrade that the socket accepts, whose frames are one write", async () => {
    const server = await startServer();
    const accepted = nextServerSocket();
    const opening = connectRaw(server.address.port);
    const written = spyOnWrites(await accepted);
    await opening;
    await nextTurn();
    // The response and the greeting.
    assert.deepEqual(written, [2]);
  });

  it("keeps no connection that has closed before its publish is stored", async () => {
    const COUNT = 20;
    const { log, server } = await startManualServer();
    const sockets: WeakRef<Socket>[] = [];
    const onSocket = (message: unknown): void => {
      sockets.push(new WeakRef((message as { readonly socket: Socket }).socket));
    };
    subscribe("net.server.socket", onSocket);
    afterwards(() => unsubscribe("net.server.socket", onSocket));
    for (let n = 0; n < COUNT; n++) {
      const client = await connectChannels(server.url);
      client.send({ publish: n, channel: "a", id: `id-${n}` });
      await waitUntil(() => log.appends.length === n + 1);
      client.webSocket.terminate();
    }
    await waitUntil(() => server.connections() === 1);
    for (const [n, { answer }] of log.appends.splice(0).entries())
      answer.resolve({ epoch: "e", offset: n + 1, duplicate: false });
    await waitUntil(() => {
      memoryInUse();
      // Node.js itself may keep the last ones for a while.
      return sockets.filter((socket) => socket.deref() !== undefined).length <= 2;
    });
    assert.equal(sockets.length, COUNT);
  });

  for (const [what, limit, ends] of [
    ["a slice", TEXT_BYTES - 10_000, true],
    ["a slice that is within the limit", TEXT_BYTES * 2, false],
  ] as const) {
    it(`is at most the limit: ${what}`, async () => {
      const server = await startServer(
        { retainedBytes: RETAINED_BYTES },
        { limits: { maxUntakenBytes: limit } },
      );
      const raw = await connectRaw(server.address.port);
      raw.socket.pause();
      await fill(server);
      await waitUntil(() => server.connections() === Number(!ends));
    });
  }

  it("includes answers", async () => {
    const server = await startServer(
      { retainedBytes: RETAINED_BYTES },
      { limits: { maxUntakenBytes: TEXT_BYTES + 30_000 } },
    );
    const raw = await connectRaw(server.address.port);
    raw.socket.pause();
    await fill(server);
    assert.equal(server.connections(), 1);
    raw.socket.write(Buffer.concat(Array<Buffer>(150).fill(clientFrame(0x1, "?"))));
    await waitUntil(() => server.connections() === 0);
  });

  it("is one write, even if the following writes are short", async () => {
    const server = await startServer({ retainedBytes: RETAINED_BYTES, heartbeatSeconds: 540 });
    const accepted = nextServerSocket();
    const raw = await connectRaw(server.address.port);
    const socket = await accepted;
    raw.socket.pause();
    await fill(server);
    // What is large is with the system; a short one waits.
    raw.socket.resume();
    while (socket.writableLength > 0) await once(raw.socket, "data");
    raw.socket.pause();
    const short = JSON.stringify("x".repeat(100));
    while (socket.writableLength === 0) {
      await server.hub.publish({ channel: DEFAULT_CHANNEL, payload: short });
      await nextTurn();
    }
    const waiting = socket.writableLength;
    const other = await connect(server.url);
    for (let n = 0; n < 10; n++) {
      await server.hub.publish({ channel: DEFAULT_CHANNEL, payload: '"after"' });
      assert.equal(await other.nextMessage(), "after");
    }
    assert.equal(socket.writableLength, waiting);
  });
});

function recipient(): { ended: number; onTooMuchUntaken(): void } {
  return {
    ended: 0,
    onTooMuchUntaken() {
      this.ended += 1;
    },
  };
}

/** Delivers until the system takes nothing more for a client that does not read. */
async function fill({ hub }: TestServer): Promise<void> {
  const text = JSON.stringify("x".repeat(TEXT_BYTES));
  for (let n = 0; n < FILLING_MESSAGES; n++) {
    await hub.publish({ channel: DEFAULT_CHANNEL, payload: text });
    await nextTurn();
  }
}

/** Notes the number of chunks in each write of a socket to the system. */
function spyOnWrites(socket: Socket): readonly number[] {
  const written: number[] = [];
  const writev = socket._writev?.bind(socket);
  assert.ok(writev !== undefined);
  socket._writev = (chunks, callback) => {
    written.push(chunks.length);
    writev(chunks, callback);
  };
  const write = socket._write.bind(socket);
  socket._write = (chunk, encoding, callback) => {
    written.push(1);
    write(chunk, encoding, callback);
  };
  return written;
}
