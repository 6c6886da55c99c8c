import assert from "node:assert/strict";

import { once } from "node:events";
import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";

import { pino } from "pino";

import type { MessageLog } from "../../../app/src/log/log.ts";
import type { Joined } from "../../../app/src/channel/cursor.ts";
import { MAX_SLICE_BYTES } from "../../../app/src/channel/frameSlices.ts";
import { TokenBucket } from "../../../app/src/auth/tokenBucket.ts";
import { deriveWireLimits } from "../../../app/src/connection/wireLimits.ts";
import { connect, connectResuming, refusal } from "../support/client.ts";
import { ManualLog, memoryLog } from "../support/logs.ts";
import {
  clientFrame,
  closeFrameStart,
  connectRaw,
  nextServerSocket,
  openSocket,
  upgradeRequest,
} from "../support/rawClient.ts";
import { DEFAULT_CHANNEL, startServer } from "../support/server.ts";
import { tearDown } from "../support/teardown.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import type { RawClient } from "../support/rawClient.ts";

/** Of rates. */
const UNLIMITED = {
  messagesPerSecond: 1_000_000,
  messageBurst: 1_000_000,
  bytesPerSecond: 1 << 30,
  bytesPerSecondPerUser: 1 << 30,
};

describe("limits", () => {
  afterEach(tearDown);

  it("closes with 1009 when a message is too big, and not when it just fits", async () => {
    const { url } = await startServer({ maxPayloadBytes: 10 });
    const client = await connect(url);
    client.webSocket.send('"12345678"');
    assert.equal(await client.nextMessage(), "12345678");
    client.webSocket.send('"123456789"');
    assert.deepEqual(await client.closed, { code: 1009, reason: "more than 10 bytes" });
  });

  it("closes with 1009 when fragments are too big together", async () => {
    const { url } = await startServer({ maxPayloadBytes: 10 });
    const client = await connect(url);
    client.webSocket.send('"12345', { fin: false });
    client.webSocket.send('67890"', { fin: true });
    assert.deepEqual(await client.closed, { code: 1009, reason: "more than 10 bytes" });
  });

  it("answers too_large when a message's canonical text is too long, and not when it just fits", async () => {
    const maxPayloadBytes = 21;
    const { url } = await startServer({ maxPayloadBytes });
    const [sender, other] = [await connect(url), await connect(url)];
    // Of 22 and 21 bytes.
    for (const text of ["[1e19]", "1e20"]) sender.webSocket.send(text);
    assert.match(
      await sender.next(),
      /^\{"error":\{"code":"too_large","message":"[^"]+ 21 bytes [^"]+"\}\}$/,
    );
    assert.equal(await sender.next(), '{"message":100000000000000000000}');
    other.send("barrier");
    assert.equal(await other.nextMessage(), 1e20);
    assert.equal(await other.nextMessage(), "barrier");
  });

  it("measures the canonical text in bytes, and not in characters", async () => {
    const { url } = await startServer({ maxPayloadBytes: 50 });
    const client = await connect(url);
    // 39 bytes as it is sent; its canonical text has 41 characters, and 56 bytes.
    client.webSocket.send(`["${"é".repeat(15)}",1e20]`);
    assert.match(await client.next(), /^\{"error":\{"code":"too_large",/);
  });

  it("keeps readers that can take what comes, though one message of a turn evicts those before it", async () => {
    const bytes = 64 * 1024;
    const server = await startServer({ maxPayloadBytes: bytes, retainedBytes: bytes });
    const reader = await connect(server.url);
    const values = ["small", "x".repeat(bytes), "small again"];
    await Promise.all(
      values.map(async (value) =>
        server.hub.publish({ channel: DEFAULT_CHANNEL, payload: JSON.stringify(value) }),
      ),
    );
    for (const value of values) assert.equal(await reader.nextMessage(), value);
  });

  it("closes with 1008 above the rate, and publishes nothing of what was too much", async () => {
    const { url } = await startServer({ messagesPerSecond: 1, messageBurst: 3 });
    const [fast, other] = [await connect(url), await connect(url)];
    for (let n = 0; n < 10; n++) fast.send(n);
    const { code, reason } = await fast.closed;
    assert.equal(code, 1008);
    assert.equal(reason, "more than 1 messages per second, or 3 at once");
    other.send("barrier");
    assert.deepEqual(
      [
        await other.nextMessage(),
        await other.nextMessage(),
        await other.nextMessage(),
        await other.nextMessage(),
      ],
      [0, 1, 2, "barrier"],
    );
  });

  it("neither hears nor tells a client any more that it sent away", async () => {
    const server = await startServer({ messagesPerSecond: 1000, messageBurst: 3 });
    const [raw, other] = [await connectRaw(server.address.port), await connect(server.url)];
    const frame = clientFrame(0x1, Buffer.from('"early"'));
    raw.socket.write(Buffer.concat(Array<Buffer>(20_000).fill(frame)));
    await raw.seen(closeFrameStart(1008));
    const last = raw.received();
    // Its rate would allow it again by now.
    await new Promise((resolve) => raw.socket.write(clientFrame(0x1, Buffer.from('"late"')), resolve));

    other.send("barrier");
    let message: unknown;
    do {
      message = await other.nextMessage();
      assert.notEqual(message, "late");
    } while (message !== "barrier");
    assert.deepEqual(raw.received(), last);
  });

  it("closes with 1008 above the rate of bytes, whatever the frames", async () => {
    const settings = { ...UNLIMITED, maxPayloadBytes: 20_000, bytesPerSecond: 10_000 };
    const { url, address } = await startServer(settings);
    const [fast, other] = [await connect(url), await connect(url)];
    // Four messages of the largest size are always allowed.
    for (let n = 0; n < 6; n++) fast.send("x".repeat(19_990));
    assert.deepEqual(await fast.closed, { code: 1008, reason: "more than 10000 bytes per second" });
    for (let n = 0; n < 4; n++) assert.equal(await other.nextMessage(), "x".repeat(19_990));

    const raw = await connectRaw(address.port);
    raw.socket.write(Buffer.concat(Array<Buffer>(1000).fill(clientFrame(0xa, "x".repeat(125)))));
    await raw.seen(closeFrameStart(1008));
  });

  it("does not count the pongs that answer its pings", async () => {
    const { url } = await startServer({ heartbeatSeconds: 0.02, messagesPerSecond: 1, messageBurst: 1 });
    const client = await connect(url);
    for (let pings = 0; pings < 30; pings++) await once(client.webSocket, "ping");
    client.send("still here");
    assert.equal(await client.nextMessage(), "still here");
  });

  it("reads little more from a client that broke a limit, and drops it soon", async () => {
    const server = await startServer({ messagesPerSecond: 1, messageBurst: 1 });
    const { socket } = await connectRaw(server.address.port);
    const closed = once(socket, "close");
    const since = performance.now();
    const flood = Buffer.concat(Array<Buffer>(10_000).fill(clientFrame(0x1, '"flood"')));
    const more = (): void => void socket.write(flood);
    socket.on("drain", more);
    more();
    await closed;
    // It would have 10 seconds to answer the Close frame.
    assert.ok(performance.now() - since < 5000);
    assert.equal(server.metrics.counts.received, 1);
  });

  it("closes with 1008 when a message takes too long, in pieces or in fragments, and keeps one in time", async () => {
    const { address } = await startServer(UNLIMITED, { limits: { messageTimeoutMs: 300 } });
    const message = clientFrame(0x1, JSON.stringify("x".repeat(1000)));
    const fragment = clientFrame(0x1, '"');
    fragment.writeUInt8(0x01, 0);
    for (const [first, next] of [
      [message.subarray(0, 10), Buffer.from("x")],
      [fragment, clientFrame(0x9, "")],
    ] as const) {
      const raw = await connectRaw(address.port);
      raw.socket.setNoDelay();
      raw.socket.write(first);
      const dribble = setInterval(() => raw.socket.write(next), 20);
      await raw.seen(closeFrameStart(1008));
      clearInterval(dribble);
      await raw.seen("a message takes too long to arrive");
    }
    const slow = await connectRaw(address.port);
    for (let n = 0; n < 10; n++) {
      // Each has the whole time.
      slow.socket.write(message.subarray(0, 10));
      await delay(100);
      slow.socket.write(message.subarray(10));
    }
    slow.socket.write(clientFrame(0x1, '"last"'));
    await slow.seen('{"message":"last"}');
  });

  it("closes the oldest of those who hold too much that is unfinished, with 1013", async () => {
    const { address } = await startServer(UNLIMITED, { limits: { maxHeldBytes: 10_000 } });
    const message = clientFrame(0x1, JSON.stringify("x".repeat(4000)));
    const [first, second, third] = [
      await connectRaw(address.port),
      await connectRaw(address.port),
      await connectRaw(address.port),
    ];
    for (const raw of [first, second]) {
      // The server answers the ping, and holds what is behind it.
      raw.socket.write(Buffer.concat([clientFrame(0x9, "ping"), message.subarray(0, 4000)]));
      await raw.seen("ping");
    }
    third.socket.write(message.subarray(0, 4000));
    await first.seen(closeFrameStart(1013));
    await first.seen("the server holds too much that is unfinished");
    for (const raw of [second, third]) {
      raw.socket.write(message.subarray(4000));
      await raw.seen("x".repeat(4000));
    }
  });

  it("lets no user have the unfinished messages of others closed", async () => {
    const { address } = await startServer(
      { ...UNLIMITED, trustedProxies: 1 },
      { limits: { maxHeldBytes: 15_000 } },
    );
    const message = clientFrame(0x1, JSON.stringify("x".repeat(4000)));
    const hold = async (user: string): Promise<RawClient> => {
      const raw = await connectRaw(address.port, upgradeRequest("/wss", [`X-Forwarded-For: ${user}`]));
      raw.socket.write(Buffer.concat([clientFrame(0x9, "ping"), message.subarray(0, 4000)]));
      await raw.seen("ping");
      return raw;
    };
    const honest = await hold("198.51.100.1");
    const [first, , last] = [await hold("203.0.113.1"), await hold("203.0.113.1"), await hold("203.0.113.1")];
    await first.seen(closeFrameStart(1013));
    for (const raw of [honest, last]) {
      raw.socket.write(message.subarray(4000));
      await raw.seen("x".repeat(4000));
    }
  });

  it("drops a client that goes on sending and reads nothing", async () => {
    const server = await startServer(
      { heartbeatSeconds: 0.1, retainedBytes: 1 << 26, ...UNLIMITED },
      { limits: { writeTimeoutMs: 300 } },
    );
    const raw = await connectRaw(server.address.port);
    raw.socket.pause();
    const alive = setInterval(() => raw.socket.write(clientFrame(0xa, "")), 20);
    const text = JSON.stringify("x".repeat(60_000));
    // More than the buffers of the system hold, and less than is retained.
    for (let n = 0; n < 300; n++) await server.hub.publish({ channel: DEFAULT_CHANNEL, payload: text });
    await waitUntil(() => server.connections() === 0);
    clearInterval(alive);
  });

  for (const [maxPayloadBytes, messageTimeoutMs, writeTimeoutMs] of [
    [64 * 1024, 30_000, 60_000],
    [600 * 1024, 37_500, 60_000],
    [16 * 1024 * 1024, 1_024_000, 1_024_000],
  ] as const) {
    it(`gives a message of ${maxPayloadBytes / 1024} KiB its time in both directions`, () => {
      const limits = deriveWireLimits({ maxPayloadBytes });
      assert.deepEqual([limits.messageTimeoutMs, limits.writeTimeoutMs], [messageTimeoutMs, writeTimeoutMs]);
    });
  }

  it("refuses publishes while too many bytes of all clients wait for the log", async () => {
    const log = new ManualLog();
    const server = await startServer(UNLIMITED, { log, limits: { maxUnansweredBytes: 1000 } });
    const connecting = [connectResuming(server.url), connectResuming(server.url)] as const;
    await waitUntil(() => log.readers.size > 0);
    log.reader(DEFAULT_CHANNEL).started({ epoch: "e", next: 1 }, 1);
    const [{ client }, { client: another }] = await Promise.all(connecting);
    client.send({ publish: "x".repeat(1000), id: "1" });
    await waitUntil(() => log.appends.length === 1);
    another.send({ publish: 2, id: "2" });
    const refused = await another.nextValue();
    assert.ok(typeof refused === "object" && refused !== null && "error" in refused);
    const { code, id } = refused.error as { readonly code: string; readonly id: string };
    assert.deepEqual({ code, id }, { code: "unavailable", id: "2" });

    log.appends[0]?.answer.resolve({ epoch: "e", offset: 1, duplicate: false });
    assert.deepEqual(await client.nextValue(), { ack: "1", epoch: "e", offset: 1 });
    another.send({ publish: 2, id: "2" });
    await waitUntil(() => log.appends.length === 2);
  });

  it("counts pings as messages", async () => {
    const { url } = await startServer({ messagesPerSecond: 1, messageBurst: 3 });
    const client = await connect(url);
    for (let n = 0; n < 5; n++) client.webSocket.ping();
    assert.equal((await client.closed).code, 1008);
  });

  it("closes with 1007 on text that is not UTF-8, and with 1002 on a frame without a mask", async () => {
    const { url } = await startServer();
    const [badText, unmasked] = [await connect(url), await connect(url)];
    badText.webSocket.send(Buffer.from([0xff]), { binary: false });
    assert.deepEqual(await badText.closed, { code: 1007, reason: "not UTF-8" });
    unmasked.webSocket.send("1", { mask: false });
    const reason = "Invalid WebSocket frame: MASK must be set";
    assert.deepEqual(await unmasked.closed, { code: 1002, reason });
  });

  it("closes a reader that falls out of the retained messages with 1013, and serves the others", async () => {
    const { url } = await startServer({
      retainedBytes: 256 * 1024,
      ...UNLIMITED,
    });
    const [slow, other, sender] = [await connect(url), await connect(url), await connect(url)];
    slow.webSocket.pause();
    // Much more than the buffers of both ends of a connection hold.
    const text = "x".repeat(60_000);
    for (let n = 0; n < 400; n++) {
      sender.send({ n, text });
      assert.deepEqual(await sender.nextMessage(), { n, text });
      assert.deepEqual(await other.nextMessage(), { n, text });
    }
    slow.webSocket.resume();
    const { code, reason } = await slow.closed;
    assert.equal(code, 1013);
    assert.equal(reason, "reads too slowly");
    // What it did get has no hole.
    for (const [n, received] of slow.takeAll().entries()) {
      assert.deepEqual(JSON.parse(received), { message: { n, text } });
    }
  });

  it("gives the socket of a reader that does not read little more than one slice", async () => {
    const server = await startServer({ retainedBytes: 1 << 22 });
    const accepted = nextServerSocket();
    const reader = await connect(server.url);
    const socket = await accepted;
    let mostBytes = 0;
    const measure = (): void => {
      mostBytes = Math.max(mostBytes, socket.writableLength);
    };
    // Behind the server's own listener, which writes what waits.
    socket.on("drain", measure);
    const text = "x".repeat(30_000);
    let published = 0;
    const publish = async (): Promise<void> => {
      await server.hub.publish({
        channel: DEFAULT_CHANNEL,
        payload: JSON.stringify({ n: published++, text }),
      });
      // The readers are told in the next turn.
      await nextTurn();
      measure();
    };

    reader.webSocket.pause();
    await waitUntil(async () => {
      await publish();
      return socket.writableLength > 0;
    });
    for (let n = 0; n < 100; n++) await publish();
    reader.webSocket.resume();
    for (let n = 0; n < published; n++) assert.deepEqual(await reader.nextMessage(), { n, text });
    assert.ok(mostBytes <= 2 * MAX_SLICE_BYTES, `${mostBytes} bytes waited in the socket`);
  });

  it("does not send a reader away that only paused for a while", async () => {
    const { url } = await startServer(UNLIMITED);
    const [paused, sender] = [await connect(url), await connect(url)];
    paused.webSocket.pause();
    const text = "x".repeat(60_000);
    for (let n = 0; n < 40; n++) {
      sender.send({ n, text });
      await sender.nextMessage();
    }
    paused.webSocket.resume();
    for (let n = 0; n < 40; n++) assert.deepEqual(await paused.nextMessage(), { n, text });
  });

  it("reads no more from a client that makes mistakes and takes no answers, and in the end drops it", async () => {
    const server = await startServer({
      heartbeatSeconds: 0.2,
      ...UNLIMITED,
    });
    const raw = await connectRaw(server.address.port);
    raw.socket.pause();
    const mistakes = Buffer.concat(Array<Buffer>(100_000).fill(clientFrame(0x1, "?")));
    // More than the buffers of the system hold: it is only gone when the server does not read any more.
    for (let n = 0; n < 20; n++) raw.socket.write(mistakes);
    await waitUntil(() => server.connections() === 0);
    assert.ok(server.metrics.counts.received < 20 * 100_000, "it was not read to the end");
    const other = await connect(server.url);
    other.send("barrier");
    assert.equal(await other.nextMessage(), "barrier");
  });

  for (const [what, bytes, total, unanswered] of [
    ["messages", 100, 1000, 256],
    ["bytes", 60_000, 60, 5],
  ] as const) {
    it(`does not read on while too many ${what} of a client are unanswered, and goes on then`, async () => {
      const log = new ManualLog();
      const server = await startServer(UNLIMITED, { log });
      const connecting = connectResuming(server.url);
      await waitUntil(() => log.readers.size > 0);
      log.reader(DEFAULT_CHANNEL).started({ epoch: "e", next: 1 }, 1);
      const { client } = await connecting;

      const value = "x".repeat(bytes);
      for (let n = 0; n < total; n++) client.send({ publish: value, id: String(n) });
      await waitUntil(() => log.appends.length >= unanswered);
      for (let turn = 0; turn < 100; turn++) await nextTurn();
      // It stops behind the frames of one turn.
      assert.ok(log.appends.length < unanswered + 64, `${log.appends.length} are on their way`);

      for (let n = 0; n < total; n++) {
        await waitUntil(() => log.appends.length > n);
        log.appends[n]?.answer.resolve({ epoch: "e", offset: n + 1, duplicate: false });
      }
      for (let n = 0; n < total; n++) {
        assert.deepEqual(await client.nextValue(), { ack: String(n), epoch: "e", offset: n + 1 });
      }
    });
  }

  it("does not count what arrives at once, because it has not read on, as too much at once", async () => {
    const log = new ManualLog();
    const [messagesPerSecond, messageBurst] = [1000, 300];
    const server = await startServer({ messagesPerSecond, messageBurst }, { log });
    const connecting = connectResuming(server.url);
    await waitUntil(() => log.readers.size > 0);
    log.reader(DEFAULT_CHANNEL).started({ epoch: "e", next: 1 }, 1);
    const { client } = await connecting;
    const since = performance.now();
    const total = 3 * messageBurst;
    for (let sent = 0; sent < total;) {
      client.send({ publish: (sent += 1), id: String(sent) });
      if (sent % 20 === 0) await delay(Math.max(0, since + sent - performance.now()));
    }
    // It has stopped to read long ago.
    assert.ok(log.appends.length < total - messageBurst);
    for (let n = 0; n < total; n++) {
      await waitUntil(() => log.appends.length > n);
      log.appends[n]?.answer.resolve({ epoch: "e", offset: n + 1, duplicate: false });
    }
    for (let n = 1; n <= total; n++) {
      assert.deepEqual(await client.nextValue(), { ack: String(n), epoch: "e", offset: n });
    }
  });

  it("does not drop a client for being silent whose publishes wait for the log", async () => {
    const log = new ManualLog();
    const server = await startServer({ heartbeatSeconds: 0.05, ...UNLIMITED }, { log });
    const connecting = connectResuming(server.url);
    await waitUntil(() => log.readers.size > 0);
    log.reader(DEFAULT_CHANNEL).started({ epoch: "e", next: 1 }, 1);
    const { client } = await connecting;
    // Much more than the server reads ahead, so that the pongs behind it are not read.
    const value = "x".repeat(10_000);
    for (let n = 0; n < 300; n++) client.send({ publish: value, id: String(n) });
    await waitUntil(() => log.appends.length >= 26);
    // Its pongs are not read any more; another client, which is, has been beaten many times meanwhile.
    const other = await connect(server.url);
    for (let pings = 0; pings < 8; pings++) await once(other.webSocket, "ping");
    assert.equal(server.connections(), 2);
    for (const [n, { answer }] of log.appends.entries()) {
      answer.resolve({ epoch: "e", offset: n + 1, duplicate: false });
    }
    let answer = await client.nextValue();
    while (typeof answer === "object" && answer !== null && "heartbeat" in answer)
      answer = await client.nextValue();
    assert.deepEqual(answer, { ack: "0", epoch: "e", offset: 1 });
  });

  it("answers 503 with Retry-After when full, and admits again when somebody left", async () => {
    const { url, origin } = await startServer({ maxConnections: 1 });
    const first = await connect(url);
    assert.deepEqual(await refusal(url), { status: 503, retryAfter: "5" });
    assert.equal((await fetch(`${origin}/health`)).status, 200, "it is full, not ill");
    first.webSocket.close();
    await first.closed;
    await connect(url);
  });

  it("counts the upgrades that are not answered yet too", async () => {
    const log = new ManualLog();
    const { url, address } = await startServer({ maxConnections: 1 }, { log });
    openSocket(address.port).write(upgradeRequest());
    await waitUntil(() => log.readers.has(DEFAULT_CHANNEL));
    assert.deepEqual(await refusal(url), { status: 503, retryAfter: "5" });
  });

  it("keeps nothing for a client that goes before its upgrade is answered", async () => {
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
    log.reader(DEFAULT_CHANNEL).started({ epoch: "e", next: 1 }, 1);
    await waitUntil(() => hub.channels === 0);
  });

  it("admits listed origins, and clients that are no browser, and nobody else", async () => {
    const { url } = await startServer({
      allowedOrigins: ["https://App.example.com:443", "http://localhost:3000"],
    });
    await connect(url, { origin: "https://app.example.com" });
    await connect(url, { origin: "http://localhost:3000" });
    await connect(url);
    for (const origin of [
      "https://evil.example",
      "https://app.example.com.evil.example",
      "null",
      "http://[",
      "%",
    ]) {
      assert.equal((await refusal(url, { origin })).status, 403, origin);
    }
  });

  it("says with each ping that it is there, to those who speak resume.v1", async () => {
    const { url } = await startServer({ heartbeatSeconds: 0.05 });
    const { client } = await connectResuming(url);
    for (let beats = 0; beats < 3; beats++) assert.deepEqual(await client.nextValue(), { heartbeat: 0.05 });
    const plain = await connect(url);
    for (let pings = 0; pings < 3; pings++) await once(plain.webSocket, "ping");
    plain.send("the first that comes");
    assert.equal(await plain.nextMessage(), "the first that comes");
  });

  it("drops a peer that is silent for a whole heartbeat, and keeps one that answers", async () => {
    const { url } = await startServer({ heartbeatSeconds: 0.1 });
    const alive = await connect(url);
    const dead = await connect(url, { autoPong: false });
    const pings: unknown[] = [];
    alive.webSocket.on("ping", (data) => pings.push(data));
    assert.equal((await dead.closed).code, 1006);
    alive.send("barrier");
    assert.equal(await alive.nextMessage(), "barrier");
    assert.ok(pings.length > 0);
  });

  it("tells the sender when a message could not be stored", async () => {
    const memory = memoryLog(1024);
    const failing: MessageLog = { ...memory, append: () => Promise.reject(new Error("out of order")) };
    const { url } = await startServer({}, { log: failing });
    const client = await connect(url);
    client.send(1);
    assert.match(await client.next(), /^\{"error":\{"code":"unavailable",/);
  });

  it("keeps nothing of an upgrade that is given up because the log is away, and makes no noise of it", async () => {
    const lines: string[] = [];
    const logger = pino({ level: "info" }, { write: (line) => void lines.push(line) });
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
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { msg: string }).msg),
      ["draining", "drained"],
    );
  });

  it("makes no noise of each upgrade that fails, either", async () => {
    const lines: string[] = [];
    const logger = pino({ level: "info" }, { write: (line) => void lines.push(line) });
    const log = memoryLog();
    const { url } = await startServer({}, { log, logger });
    await log.close();
    assert.deepEqual(await refusal(url), { status: 503, retryAfter: "5" });
    assert.deepEqual(lines, []);
  });

  it("refuses a channel too many with 503, and admits it when another one is no longer used", async () => {
    const { url, hub } = await startServer({ maxChannels: 2 });
    const [a] = [await connect(`${url}/a`), await connect(`${url}/b`)];
    assert.deepEqual(await refusal(`${url}/c`), { status: 503, retryAfter: "5" });
    await connect(`${url}/b`);
    a.webSocket.close();
    await waitUntil(() => hub.channels === 1);
    await connect(`${url}/c`);
  });

  it("keeps what a closing client has not read for nobody", async () => {
    const server = await startServer({ messagesPerSecond: 1, messageBurst: 2, retainedBytes: 256 * 1024 });
    const raw = await connectRaw(server.address.port);
    for (let n = 0; n < 3; n++) raw.socket.write(clientFrame(0x1, '"too eager"'));
    await raw.seen(closeFrameStart(1008));
    // It does not answer the Close frame, so its connection lingers.
    const text = JSON.stringify("x".repeat(50_000));
    for (let n = 0; n < 100; n++) await server.hub.publish({ channel: DEFAULT_CHANNEL, payload: text });
    await nextTurn();
    assert.equal(server.connections(), 1);
    assert.equal(server.hub.slowestLagBytes, 0);
  });
});

describe("the token bucket", () => {
  it("gives the burst at once, then the rate, and never more than the burst", () => {
    let now = 0;
    const bucket = new TokenBucket(10, 3, now);
    const takeAll = (): number => {
      let taken = 0;
      while (bucket.take(1, now)) taken++;
      return taken;
    };
    assert.equal(takeAll(), 3);
    now += 99;
    assert.equal(takeAll(), 0);
    now += 1;
    assert.equal(takeAll(), 1);
    now += 250;
    assert.equal(takeAll(), 2);
    now += 3_600_000;
    assert.equal(takeAll(), 3);
  });

  it("gives more than the burst after a time in which nothing could be taken, once", () => {
    const bucket = new TokenBucket(10, 3, 0);
    bucket.fill(1000);
    assert.ok(bucket.take(13, 1000));
    assert.ok(!bucket.take(1, 1000));
    assert.ok(!bucket.take(4, 1_000_000));
    assert.ok(bucket.take(3, 1_000_000));
  });

  it("gives several at once, or none of them", () => {
    const bucket = new TokenBucket(10, 3, 0);
    assert.ok(bucket.take(2, 0));
    assert.ok(!bucket.take(2, 0));
    assert.ok(bucket.take(1, 0));
    assert.ok(bucket.take(0, 0));
  });
});
