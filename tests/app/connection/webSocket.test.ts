import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import { once } from "node:events";
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { duplexPair } from "node:stream";
import type { Duplex } from "node:stream";
import { mock } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";

import fc from "fast-check";
import { WebSocketServer } from "ws";

import { HeldBytes } from "../../../app/src/connection/heldBytes.ts";
import { ReadTurns } from "../../../app/src/connection/readTurns.ts";
import { UntakenBytes } from "../../../app/src/connection/untakenBytes.ts";
import { ServerWebSocket } from "../../../app/src/connection/webSocket/webSocket.ts";
import type { TaskMemory } from "../../../app/src/connection/webSocket/webSocket.ts";
import { WIRE_LIMITS } from "../../../app/src/connection/wireLimits.ts";
import { fragments, stream } from "../support/frameStreams.ts";
import { growsByLessThan, memoryInUse } from "../support/memory.ts";
import { clientFrame } from "../support/rawClient.ts";

/** The reaction of a server to a client's bytes. */
interface Outcome {
  /** The events of the application, in order. */
  readonly events: string[];
  /** The written frames: pongs, and at most one Close frame at the end. */
  readonly written: string[];
}

type Serve = (socket: Duplex, maxPayloadBytes: number, events: string[]) => void;

const MAX_FRAGMENTS = 1024;

/** What stands for a Close frame without a code, and for none: RFC 6455 §7.1.5. */
const NO_CODE = 1005;
const ABNORMAL_CLOSURE = 1006;

/** The close codes that this project's server reported, by the events before them. */
const closedCodes = new WeakMap<string[], number>();

const memory = taskMemory();

const NO_EVENTS = {
  user: {},
  onFrame: () => true,
  onMessage: () => undefined,
  onDrained: () => undefined,
  onClosed: () => undefined,
};

const ours: Serve = (socket, maxPayloadBytes, events) => {
  // The system takes a few bytes at once, and a duplex stream in the next turn.
  Object.defineProperty(socket, "writableLength", { value: 0 });
  // It uses only what a duplex stream has, except `bytesRead`, which no test reads.
  new ServerWebSocket(
    socket as unknown as Socket,
    maxPayloadBytes,
    {
      user: {},
      onFrame: () => true,
      onMessage: (text) => events.push(`message ${text ?? "that is not UTF-8"}`),
      onDrained: () => undefined,
      onClosed: (code) => closedCodes.set(events, code),
    },
    memory,
  ).start(Buffer.alloc(0));
};

const theirs: Serve = (socket, maxPayloadBytes, events) => {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: maxPayloadBytes,
    ...{ maxFragments: MAX_FRAGMENTS },
  });
  const request = new IncomingMessage(new Socket());
  request.method = "GET";
  request.headers = {
    upgrade: "websocket",
    "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    "sec-websocket-version": "13",
  };
  server.handleUpgrade(request, socket, Buffer.alloc(0), (webSocket) => {
    webSocket.on("message", (data: Buffer, isBinary) => {
      const text = isBinary && !isUtf8(data) ? "that is not UTF-8" : data.toString();
      events.push(`message ${text}`);
    });
    webSocket.on("error", () => undefined);
  });
};

/** Sends these chunks to a server, and then ends the stream. */
async function exchangeChunks(
  serve: Serve,
  chunks: readonly Buffer[],
  maxPayloadBytes: number,
): Promise<Outcome> {
  const [client, socket] = duplexPair();
  const output: Buffer[] = [];
  client.on("data", (chunk: Buffer) => output.push(chunk));
  for (const side of [client, socket]) side.on("error", () => undefined);
  const closed = passTimeUntilClosed(socket);
  const events: string[] = [];
  serve(socket, maxPayloadBytes, events);
  // Each server reads in place, so each needs bytes of its own.
  const read = chunks.map((chunk) => new Promise((resolve) => client.write(Buffer.from(chunk), resolve)));
  await Promise.race([Promise.all(read), closed]);
  // The library reports its errors a little later. If the stream ended at once, it would not write its Close frame.
  await nextTurn();
  client.end();
  await closed;
  const bytes = Buffer.concat(output);
  const answer = serve === theirs ? bytes.indexOf("\r\n\r\n") + 4 : 0;
  return { events, written: writtenIn(bytes.subarray(answer)) };
}

/** The server reads nothing from a socket that sends much after its Close frame, and destroys it after a while. */
async function passTimeUntilClosed(socket: Duplex): Promise<void> {
  while (!socket.closed) {
    await nextTurn();
    mock.timers.tick(10);
  }
}

/** Pongs and Close frames are short. */
function writtenIn(bytes: Buffer): string[] {
  const written: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt8(at + 1);
    const payload = bytes.subarray(at + 2, at + 2 + length);
    if (bytes[at] === 0x8a) written.push(`pong ${payload.toString("hex")}`);
    else if (bytes[at] !== 0x88) assert.fail(`unexpected: ${bytes.subarray(at).toString("hex")}`);
    else written.push(`close ${length === 0 ? NO_CODE : payload.readUInt16BE()}`);
    at += 2 + length;
  }
  return written;
}

describe("the server's end of a WebSocket", () => {
  before(() => {
    mock.timers.enable({ apis: ["setTimeout"] });
  });

  after(() => {
    mock.timers.reset();
  });

  /*
   * By design it differs from the library in two things, which are not compared: it does not send the reason of a
   * client's Close frame back, and it reports the code of a Close frame that it sent itself too.
   */
  it("reads any bytes in any pieces as the library's server does", async function () {
    this.timeout(60_000);
    await fc.assert(
      fc.asyncProperty(
        stream,
        fc.constantFrom(10, 125, 126, 1000, 70_000, 1 << 20),
        async (chunks, maxPayload) => {
          const [own, reference] = [
            await exchangeChunks(ours, chunks, maxPayload),
            await exchangeChunks(theirs, chunks, maxPayload),
          ];
          assert.deepEqual(own, reference);
          const [, code] = /^close (\d+)$/.exec(own.written.at(-1) ?? "") ?? [];
          assert.equal(closedCodes.get(own.events), Number(code ?? ABNORMAL_CLOSURE));
        },
      ),
      // A length above the limit, of which the rest of the header is still to come.
      { numRuns: 1500, examples: [[[Buffer.from([0x81, 0xfe, 0, 18, 155, 60, 255])], 10]] },
    );
  });

  for (const [what, frames, outcome] of [
    [
      "as many fragments as it takes",
      fragments(MAX_FRAGMENTS),
      { events: [`message ${"x".repeat(MAX_FRAGMENTS)}`], written: [] },
    ],
    ["a fragment too many", fragments(MAX_FRAGMENTS + 1), { events: [], written: ["close 1008"] }],
    [
      "a length beyond what numbers can count",
      [Buffer.concat([Buffer.from([0x81, 0xff]), Buffer.alloc(12, 0xff)])],
      { events: [], written: ["close 1009"] },
    ],
    [
      "a message behind one that is not UTF-8, in the same piece",
      [Buffer.concat([clientFrame(0x1, Buffer.from([0xff])), clientFrame(0x1, "1"), clientFrame(0x9, "")])],
      { events: [], written: ["close 1007"] },
    ],
    [
      "a message behind a Close frame, in the same piece",
      [Buffer.concat([clientFrame(0x8, Buffer.from([0x03, 0xe8])), clientFrame(0x1, "1")])],
      { events: [], written: ["close 1000"] },
    ],
  ] as const satisfies readonly (readonly [string, readonly Buffer[], Outcome])[]) {
    it(`reads ${what} as the library's server does`, async () => {
      for (const serve of [ours, theirs])
        assert.deepEqual(await exchangeChunks(serve, frames, 1 << 20), outcome);
    });
  }
});

describe("a socket", () => {
  it("reads a bounded share in each turn of the event loop", async () => {
    const [client, socket] = duplexPair();
    let messages = 0;
    const events = { ...NO_EVENTS, onMessage: () => (messages += 1) };
    const webSocket = new ServerWebSocket(socket as unknown as Socket, 1000, events, memory);
    webSocket.start(Buffer.alloc(0));
    const total = 1000;
    client.write(Buffer.concat(Array<Buffer>(total).fill(clientFrame(0x1, "1"))));
    for (let before = 0; messages < total; before = messages) {
      await nextTurn();
      assert.ok(messages - before <= 2 * 64, `${messages - before} messages in a turn`);
    }
    // What waits can be made to wait on.
    client.write(Buffer.concat(Array<Buffer>(total).fill(clientFrame(0x1, "1"))));
    while (messages === total) await nextTurn();
    webSocket.pause();
    const paused = messages;
    for (let turn = 0; turn < 10; turn++) await nextTurn();
    assert.equal(messages, paused);
    webSocket.resume();
    while (messages < 2 * total) await nextTurn();
    // What waits counts while the socket is open.
    client.write(Buffer.concat(Array<Buffer>(total).fill(clientFrame(0x1, "1"))));
    while (memory.held.total === 0) await nextTurn();
    socket.destroy();
    while (memory.held.total > 0) await nextTurn();
  });

  it("costs no more than twice the bytes of a message that arrives byte by byte", async () => {
    const sent = 16_000;
    const message = clientFrame(0x1, "x".repeat(2 * sent));
    const own = taskMemory();
    const before = memoryInUse();
    const sockets = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const [client, socket] = duplexPair();
        const webSocket = new ServerWebSocket(socket as unknown as Socket, 2 * sent, NO_EVENTS, own);
        webSocket.start(Buffer.alloc(0));
        for (let at = 0; at < sent; at++) {
          const isTaken = client.write(message.subarray(at, at + 1));
          if (!isTaken) await once(client, "drain");
        }
        return { client, socket, webSocket };
      }),
    );
    await nextTurn();
    assert.ok(
      own.held.total >= sockets.length * sent && own.held.total <= 2 * sockets.length * sent,
      `${own.held.total}`,
    );
    await growsByLessThan(2 * own.held.total + (1 << 20), before);
    for (const { socket } of sockets) socket.destroy();
    await nextTurn();
    assert.equal(own.held.total, 0);
    own.held.stop();
  });
});

describe("a failed connection", () => {
  it("reads nothing more", () => {
    const [, socket] = duplexPair();
    const broken = clientFrame(0x1, Buffer.from([0xff]));
    const ping = clientFrame(0x9, "a payload", Buffer.from("mask"));
    const head = Buffer.concat([broken, ping]);
    const fail = (): void => assert.fail();
    const events = { ...NO_EVENTS, onMessage: fail };
    new ServerWebSocket(socket as unknown as Socket, 1000, events, memory).start(head);
    // It reads in place: what it has read has no mask any more.
    assert.deepEqual(head.subarray(broken.length), ping);
    socket.destroy();
  });
});

function taskMemory(): TaskMemory {
  return { held: new HeldBytes(WIRE_LIMITS), reads: new ReadTurns(), untaken: new UntakenBytes(WIRE_LIMITS) };
}
