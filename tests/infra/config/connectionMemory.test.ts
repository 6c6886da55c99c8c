import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

import { defaultSettings } from "../../../app/src/settings/settings.ts";
import { KIB, MIB } from "../../../app/src/settings/units.ts";
import { deriveWireLimits } from "../../../app/src/connection/wireLimits.ts";
import { cacheBytes } from "../../../infra/config/rules/cacheMemory.ts";
import {
  boundedBytes,
  CHANNEL_BYTES,
  CONNECTION_BYTES,
  PROCESS_BYTES,
  serverBytes,
} from "../../../infra/config/rules/connectionMemory.ts";
import { connectChannels } from "../../app/support/channelsClient.ts";
import { growsByLessThan, memoryInUse } from "../../app/support/memory.ts";
import { runServer } from "../../app/support/processes.ts";
import { CHANNELS_HEADERS, clientFrame, connectRaw, upgradeRequest } from "../../app/support/rawClient.ts";
import { startServer } from "../../app/support/server.ts";
import { tearDown } from "../../app/support/teardown.ts";
import type { RawClient } from "../../app/support/rawClient.ts";
import { waitUntil } from "../../support/waitUntil.ts";

const SETTINGS = { ...defaultSettings(), retainedBytes: 16 * MIB };

const LIMITS = { channelsPerUser: 30_000 };

const ENVIRONMENT = {
  WEBSOCKET_RETAINED_BYTES: String(SETTINGS.retainedBytes),
  WEBSOCKET_BYTES_PER_SECOND: String(1024 * MIB),
  WEBSOCKET_BYTES_PER_SECOND_PER_USER: String(1024 * MIB),
  WEBSOCKET_CONNECTIONS_PER_USER: "20000",
  WEBSOCKET_CHANNELS_PER_USER: String(LIMITS.channelsPerUser),
  WEBSOCKET_HEARTBEAT_SECONDS: "540",
};

/** Linux reports the memory of another process in a file. */
const CAN_MEASURE = process.platform === "linux";

/** Connections before the measurement: the first ones load and compile shared code. */
const FIRST = 200;
const IDLE = 2000;
/** Clients with many channels, and the channels of each. */
const FEW = 40;
const FURTHER = 250;
/** More connections make the process collect the garbage of the first ones, which a busy machine does late. */
const MAX_BATCHES = 3;

/** Clients that do not read. Each also takes some MiB of the system's socket buffers. */
const STALLED = 60;
const TEXT_BYTES = 60_000;
/** More than the system's socket buffers hold, and less than the channel retains. */
const FILLING_MESSAGES = 80;

/** Clients with an incomplete message: together they send more than a task holds. */
const UNFINISHED = 1200;
const UNFINISHED_BYTES = 33_000;
const PIECE_BYTES = 1500;

describe("the memory of connections", function () {
  this.timeout(120_000);

  afterEach(tearDown);

  it("includes the limits of the server for all clients together", () => {
    for (const maxPayloadBytes of [64 * KIB, 16 * MIB]) {
      const { maxHeldBytes, maxUnansweredBytes, maxUntakenBytes } = deriveWireLimits({ maxPayloadBytes });
      assert.equal(boundedBytes({ maxPayloadBytes }), maxHeldBytes + maxUnansweredBytes + maxUntakenBytes);
    }
  });

  it("is at most the estimate for idle clients with a channel each", async function () {
    if (!CAN_MEASURE) this.skip();
    const server = await runServer(ENVIRONMENT);
    assert.ok(residentBytes(server.pid) <= PROCESS_BYTES, `${residentBytes(server.pid)}`);
    await open(server.port, FIRST, 1);
    const before = residentBytes(server.pid);
    let each = Infinity;
    for (let batch = 1; batch <= MAX_BATCHES && each > CONNECTION_BYTES; batch++) {
      await open(server.port, IDLE, 1);
      each = (residentBytes(server.pid) - before) / (batch * IDLE);
    }
    assert.ok(each <= CONNECTION_BYTES, `${Math.round(each)} bytes`);
  });

  it("is at most the estimate for further channels of a client", async () => {
    // In this process, so that garbage can be collected: the heap of another one grows while it is small.
    const { url } = await startServer(LIMITS);
    const port = Number(new URL(url).port);
    await open(port, FEW, FURTHER);
    const before = memoryInUse();
    const clients = await open(port, FEW, FURTHER);
    for (const { socket } of clients) socket.removeAllListeners("data");
    await growsByLessThan(FEW * FURTHER * CHANNEL_BYTES, before);
  });

  it("is at most the estimate for clients that do not read and send incomplete messages", async function () {
    if (!CAN_MEASURE) this.skip();
    const server = await runServer(ENVIRONMENT);
    const client = await connectChannels(`ws://127.0.0.1:${server.port}/wss`);
    let published = 0;
    const publish = (): Promise<number> =>
      client.publish("room", "x".repeat(TEXT_BYTES), `${(published += 1)}`);
    // Each client stops at another offset, so the server holds other frames for it.
    const stalled: RawClient[] = [];
    for (let n = 0; n < STALLED; n++) {
      const raw = await connectRaw(server.port, upgradeRequest("/wss", CHANNELS_HEADERS));
      raw.socket.write(clientFrame(0x1, '{"subscribe":"room"}'));
      await raw.seen('"subscribed"');
      raw.socket.pause();
      stalled.push(raw);
      await publish();
    }
    for (let n = 0; n < FILLING_MESSAGES; n++) await publish();
    const mistakes = Buffer.concat(Array<Buffer>(190).fill(clientFrame(0x1, "?")));
    for (const { socket } of stalled) socket.write(mistakes);

    const unfinished = await open(server.port, UNFINISHED);
    const message = clientFrame(0x1, JSON.stringify("x".repeat(SETTINGS.maxPayloadBytes - 2)));
    for (let at = 0; at < UNFINISHED_BYTES; at += PIECE_BYTES) {
      for (const { socket } of unfinished) socket.write(message.subarray(at, at + PIECE_BYTES));
      await delay(0);
    }
    await waitUntil(() => unfinished.some(({ socket }) => socket.readableEnded || socket.destroyed), {
      everyMs: 10,
    });
    const estimate =
      serverBytes(SETTINGS) +
      cacheBytes({ backplane: "memory", settings: SETTINGS }) +
      (STALLED + UNFINISHED) * CONNECTION_BYTES;
    const resident = residentBytes(server.pid);
    assert.ok(
      resident <= estimate,
      `${Math.round(resident / MIB)} MiB, estimated ${Math.round(estimate / MIB)}`,
    );
  });
});

function residentBytes(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) * KIB;
}

/** The number of the next channel. */
let nextChannel = 0;

/** Opens connections that subscribe to channels of their own, and waits for the answer to a ping on each. */
async function open(port: number, count: number, channels = 0): Promise<readonly RawClient[]> {
  const clients: RawClient[] = [];
  while (clients.length < count) {
    const some = await Promise.all(
      Array.from({ length: Math.min(100, count - clients.length) }, () =>
        connectRaw(port, upgradeRequest("/wss", CHANNELS_HEADERS)),
      ),
    );
    for (const client of some) {
      const names = Array.from({ length: channels }, () => `"user.${nextChannel++}"`);
      client.socket.write(Buffer.concat(names.map((name) => clientFrame(0x1, `{"subscribe":${name}}`))));
      // The answers of different channels have no order.
      for (const name of names) await client.seen(`"subscribed":${name}`);
    }
    for (const client of some) client.socket.write(clientFrame(0x9, "ping"));
    await Promise.all(some.map((client) => client.seen("ping")));
    clients.push(...some);
  }
  return clients;
}
