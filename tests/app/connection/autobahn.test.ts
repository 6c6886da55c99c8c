/**
 * The case kinds of the Autobahn test suite, with its numbers. The suite itself (version 25.10.1, groups 1 to 7 and 10) rates
 * the same server as OK, apart from the deviations that the tables name.
 * @see https://github.com/crossbario/autobahn-testsuite
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";

import { due } from "../../support/waitUntil.ts";
import { openSocket, upgradeRequest } from "../support/rawClient.ts";
import { tearDown } from "../support/teardown.ts";
import { CLOSING } from "./autobahn/closing.ts";
import { startEchoServer } from "./autobahn/echoServer.ts";
import type { EchoServer } from "./autobahn/echoServer.ts";
import { FRAGMENTATION, FRAMING, OPCODES, PINGS, RESERVED_BITS } from "./autobahn/framing.ts";
import { describeFrames, send } from "./autobahn/frames.ts";
import type { AutobahnCase } from "./autobahn/frames.ts";
import { AUTO_FRAGMENTATION, LIMITS } from "./autobahn/limits.ts";
import { UTF8 } from "./autobahn/utf8.ts";

const GROUPS: Readonly<Record<string, readonly AutobahnCase[]>> = {
  "framing (1)": FRAMING,
  "pings and pongs (2)": PINGS,
  "reserved bits (3)": RESERVED_BITS,
  "opcodes (4)": OPCODES,
  "fragmentation (5)": FRAGMENTATION,
  "UTF-8 (6)": UTF8,
  "closing (7)": CLOSING,
  "limits (9)": LIMITS,
  "automatic fragmentation (10)": AUTO_FRAGMENTATION,
};

/** How the bytes of a case are cut: the suite repeats many cases with other cuts. */
const CUTS = {
  "in one piece": (frames: readonly Buffer[]) => [Buffer.concat(frames)],
  "frame by frame": (frames: readonly Buffer[]) => frames,
  "byte by byte": (frames: readonly Buffer[]) =>
    [...Buffer.concat(frames)].map((byte) => Buffer.from([byte])),
} as const;

type Cut = keyof typeof CUTS;

/** Longer cases are not sent byte by byte. */
const MAX_SINGLE_BYTES = 200;

const HEADERS_END = "\r\n\r\n";

describe("a WebSocket of the server in the cases of the Autobahn test suite", () => {
  let server: EchoServer;

  before(async () => {
    server = await startEchoServer();
  });

  after(() => {
    server.close();
  });

  afterEach(tearDown);

  for (const [group, cases] of Object.entries(GROUPS)) {
    describe(group, () => {
      for (const [id, what, sends, receives, deviation] of cases) {
        it(`${id}: ${what}${deviation === undefined ? "" : ` (deviation: ${deviation})`}`, async () => {
          const isClosed = receives.some((frame) => frame.startsWith("close"));
          const frames = isClosed ? sends : [...sends, send.close(1000)];
          const expected = isClosed ? receives : [...receives, "close 1000"];
          for (const cut of cutsOf(sends)) {
            assert.deepEqual(await exchange(server.port, frames, cut), expected, cut);
          }
        });
      }
    });
  }
});

function cutsOf(frames: readonly Buffer[]): readonly Cut[] {
  const bytes = frames.reduce((sum, { length }) => sum + length, 0);
  return bytes > MAX_SINGLE_BYTES
    ? ["in one piece", "frame by frame"]
    : ["in one piece", "frame by frame", "byte by byte"];
}

/** Sends the frames, and describes those that the server sends until it ends the connection. */
async function exchange(port: number, frames: readonly Buffer[], cut: Cut): Promise<readonly string[]> {
  const socket = openSocket(port);
  socket.setNoDelay();
  const closed = once(socket, "close");
  socket.write(upgradeRequest());
  await readUntil(socket, HEADERS_END);
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  for (const piece of CUTS[cut](frames)) {
    if (!socket.writable) break;
    socket.write(piece);
    await nextTurn();
  }
  await due(closed, () => `the end of the connection after ${describeFrames(Buffer.concat(chunks)).join()}`);
  return describeFrames(Buffer.concat(chunks));
}

async function readUntil(socket: Socket, end: string): Promise<string> {
  let text = "";
  const read = async (): Promise<void> => {
    while (!text.includes(end)) {
      await once(socket, "readable");
      const chunk = socket.read() as Buffer | null;
      text += chunk?.toString("latin1") ?? "";
    }
  };
  await due(read(), () => `${JSON.stringify(end)} after ${JSON.stringify(text)}`);
  return text;
}
