import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { deriveWireLimits } from "../../../app/src/connection/wireLimits.ts";
import { clientFrame, closeFrameStart, connectRaw, upgradeRequest } from "../support/rawClient.ts";
import { startServer, UNLIMITED } from "../support/server.ts";
import { tearDown } from "../support/teardown.ts";
import type { RawClient } from "../support/rawClient.ts";

describe("unfinished messages", () => {
  afterEach(tearDown);

  it("close a connection with 1008 if they take too long, in pieces or in fragments", async () => {
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

  it("close the oldest connection with 1013 if they are too large together", async () => {
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

  it("of one user do not close connections of other users", async () => {
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

  for (const [maxPayloadBytes, messageTimeoutMs, writeTimeoutMs] of [
    [64 * 1024, 30_000, 60_000],
    [600 * 1024, 37_500, 60_000],
    [16 * 1024 * 1024, 1_024_000, 1_024_000],
  ] as const) {
    it(`allow enough time for a message of ${maxPayloadBytes / 1024} KiB in both directions`, () => {
      const limits = deriveWireLimits({ maxPayloadBytes });
      assert.deepEqual([limits.messageTimeoutMs, limits.writeTimeoutMs], [messageTimeoutMs, writeTimeoutMs]);
    });
  }
});
