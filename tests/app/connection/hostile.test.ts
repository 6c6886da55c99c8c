/** Clients that mean harm, all on one server, beside one client that behaves and must not notice. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectSocket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";

import fc from "fast-check";

import { defaultSettings } from "../../../app/src/settings/settings.ts";
import { connect } from "../support/client.ts";
import { growsByLessThan, memoryInUse } from "../support/memory.ts";
import {
  clientFrame,
  closeFrameStart,
  connectRaw,
  connectRawSubscriber,
  upgradeRequest,
} from "../support/rawClient.ts";
import { DEFAULT_CHANNEL, startServer } from "../support/server.ts";
import { tearDown } from "../support/teardown.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import type { Client } from "../support/client.ts";
import type { TestServer } from "../support/server.ts";

const MIB = 1024 * 1024;

/** What memory may differ by chance. */
const SLACK_BYTES = 12 * MIB;

/** Frames beyond the limits, and the close code. The Autobahn cases have the frames that break RFC 6455. */
const broken = {
  "a length that alone is too large": [
    Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3, 4]),
    1009,
  ],
  "the largest length": [Buffer.from([0x82, 0xff, ...Array<number>(8).fill(0xff), 1, 2, 3, 4]), 1009],
  "fragments that are too large together": [
    Buffer.concat([fragment(0x1, "x".repeat(60_000)), fragment(0x0, "x".repeat(60_000))]),
    1009,
  ],
  "fragments without end": [
    Buffer.concat([fragment(0x1, ""), ...Array<Buffer>(5000).fill(fragment(0x0, ""))]),
    1008,
  ],
  "a flood of pings": [Buffer.concat(Array<Buffer>(5000).fill(clientFrame(0x9, "ping"))), 1008],
  "a flood of pongs": [Buffer.concat(Array<Buffer>(5000).fill(clientFrame(0xa, "pong"))), 1008],
  "a flood of empty fragments": [
    Buffer.concat(Array<Buffer[]>(10).fill(emptyFragments(1000)).flat().concat(clientFrame(0x1, "1"))),
    1008,
  ],
  "a flood of messages": [Buffer.concat(Array<Buffer>(5000).fill(clientFrame(0x1, "1"))), 1008],
  "a flood of mistakes": [Buffer.concat(Array<Buffer>(5000).fill(clientFrame(0x1, "?"))), 1008],
} as const satisfies Record<string, readonly [Buffer, number]>;

/** An empty message. */
function emptyFragments(count: number): Buffer[] {
  return [fragment(0x1, ""), ...Array<Buffer>(count - 2).fill(fragment(0x0, "")), clientFrame(0x0, "")];
}

function fragment(opcode: number, payload: Uint8Array | string): Buffer {
  const frame = clientFrame(opcode, payload);
  frame.writeUInt8(frame.readUInt8(0) & 0x7f);
  return frame;
}

/** Less than the tests send. */
const CACHE_MIB = 4;

describe("hostile clients", () => {
  let server: TestServer;
  let good: Client;
  let memoryBefore: number;
  let served = 0;

  before(async () => {
    server = await startServer({ cacheMib: CACHE_MIB });
    good = await connect(server.url);
    memoryBefore = memoryInUse();
  });

  afterEach(async () => {
    // The client that behaves is still served, and nothing is left of the others.
    const text = `still here ${(served += 1)}`;
    good.send(text);
    while ((await good.nextMessage()) !== text);
    await waitUntil(() => server.connections() === 1 && server.hub.channels === 1);
  });

  after(tearDown);

  for (const [what, [bytes, code]] of Object.entries(broken)) {
    it(`are closed with ${code} for ${what}`, async () => {
      const raw = await connectRaw(server.address.port);
      const closed = once(raw.socket, "close");
      raw.socket.write(bytes);
      await raw.seen(closeFrameStart(code));
      raw.socket.end();
      await closed;
    });
  }

  it("may send any bytes at all", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 500 }), async (bytes) => {
        const { socket } = await connectRaw(server.address.port);
        const closed = once(socket, "close");
        socket.end(bytes);
        await closed;
      }),
      { numRuns: 100 },
    );
  });

  it("may request any path, query and subprotocol, and get an HTTP answer", async () => {
    const visible = fc.string({
      unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
    });
    const piece = fc.oneof(
      visible,
      fc.constantFrom("?", "#", "&", "=", "@", ":", "\\", "\xff", "..", "//", "%2e%2e", "%00", "%ff"),
    );
    const target = fc
      .tuple(
        fc.constantFrom("/wss", "/wss/", "/wss?", "/", "http://x/wss", "*", ""),
        fc.array(piece, { maxLength: 6 }),
      )
      .map(([start, rest]) => start + rest.join(""));
    const subprotocols = fc.array(
      fc.oneof(visible, fc.constantFrom("channels.v1", "bearer.x", "", "\t", "\xe9", "\x00")),
    );
    await fc.assert(
      fc.asyncProperty(target, subprotocols, async (wanted, offered) => {
        const request = upgradeRequest(wanted, [`Sec-WebSocket-Protocol: ${offered.join(", ")}`]);
        const status = await statusOf(server.address.port, request);
        assert.ok([101, 400, 404].includes(status), String(status));
      }),
      { numRuns: 400 },
    );
  });

  it("may upgrade twice, or pipeline after an upgrade", async () => {
    const twice = upgradeRequest() + upgradeRequest();
    const raw = await connectRaw(server.address.port, twice);
    // The second request is no frame.
    await raw.seen(closeFrameStart(1002));
    raw.socket.destroy();
  });

  it("may begin thousands of upgrades without completing them", async () => {
    const sockets = await Promise.all(
      Array.from({ length: 3000 }, async () => {
        const socket = connectSocket(server.address.port, "127.0.0.1");
        socket.on("error", () => undefined);
        await once(socket, "connect");
        socket.write("GET /wss HTTP/1.1\r\nHost: x\r\nConnection: Upg");
        return socket;
      }),
    );
    const another = await connect(server.url);
    another.send("let me in");
    assert.equal(await another.nextMessage(), "let me in");
    another.webSocket.terminate();
    for (const socket of sockets) socket.destroy();
  });

  it("may leave before their greeting", async () => {
    for (let n = 0; n < 300; n++) {
      const socket = connectSocket(server.address.port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.write(upgradeRequest(`/wss/gone-${n % 7}`));
      await once(socket, "connect");
      if (n % 2 === 0) socket.resetAndDestroy();
      else socket.destroy();
    }
  });

  it("may read nothing, and cost at most the cache and the retained bytes", async () => {
    const { retainedBytes } = defaultSettings();
    const memory = memoryInUse();
    const readers = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        n % 2 === 0 ? connectRaw(server.address.port) : connectRawSubscriber(server.address.port, "/"),
      ),
    );
    for (const { socket } of readers) socket.pause();
    const json = JSON.stringify("x".repeat(60_000));
    for (let n = 0; n < 800; n++) {
      await server.hub.publish({ channel: DEFAULT_CHANNEL, payload: json });
      assert.equal(await good.nextMessage(), JSON.parse(json));
    }
    // The frames, the log's own in characters of one byte, and a slice for each.
    await growsByLessThan(CACHE_MIB * MIB + 1.25 * retainedBytes + SLACK_BYTES, memory);
    assert.ok(server.hub.slowestLagBytes <= CACHE_MIB * MIB);
    for (const { socket } of readers) socket.destroy();
  });

  it("leave no memory behind", async () => {
    for (let turn = 0; turn < 10; turn++) await nextTurn();
    await growsByLessThan(2 * defaultSettings().retainedBytes + SLACK_BYTES, memoryBefore);
  });
});

/** The status of the answer to a request. */
async function statusOf(port: number, request: string): Promise<number> {
  const socket = connectSocket(port, "127.0.0.1");
  socket.on("error", () => undefined);
  let answer = "";
  socket.setEncoding("latin1").on("data", (text: string) => (answer += text));
  const closed = once(socket, "close").then(() => true);
  socket.write(request, "latin1");
  while (!answer.includes("\r\n")) {
    if ((await Promise.race([once(socket, "data"), closed])) === true) break;
  }
  socket.destroy();
  return Number(
    /^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1] ?? assert.fail(`no answer to ${request.slice(0, 200)}`),
  );
}
