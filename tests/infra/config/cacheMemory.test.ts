import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";

import type { Cursor } from "../../../app/src/channel/cursor.ts";
import { Hub } from "../../../app/src/channel/hub.ts";
import type { LogReader, MessageLog } from "../../../app/src/log/log.ts";
import { createMemoryLog } from "../../../app/src/log/memory/memoryLog.ts";
import { defaultSettings } from "../../../app/src/settings/settings.ts";
import { MIB } from "../../../app/src/settings/units.ts";
import { cacheBytes } from "../../../infra/config/rules/cacheMemory.ts";
import { CHANNEL_BYTES } from "../../../infra/config/rules/connectionMemory.ts";
import { growsByLessThan, memoryInUse } from "../../app/support/memory.ts";

const CACHE_MIB = 4;
const CHANNELS = 200;
/** Bytes of frames per byte of the cache: the oldest ones are dropped. */
const FILLS = 2.5;
/** Bytes of a short message with its envelope. */
const MIN_FRAME_BYTES = 48;
const MESSAGES_PER_TURN = 200;

/** Messages of one size. */
interface Filling {
  readonly backplane: "valkey" | "memory";
  readonly payloadBytes: number;
}

describe("the memory for recent messages", function () {
  // Millions of short messages take long on a busy machine.
  this.timeout(90_000);

  let inUse: number;

  before(() => {
    inUse = memoryInUse();
  });

  for (const backplane of ["valkey", "memory"] as const) {
    // The smallest payload, a usual one, and one that takes half of a slab of the server.
    for (const payloadBytes of [1, 100, 33 * 1024]) {
      it(`is at most the estimate for messages of ${payloadBytes} bytes and the backplane ${backplane}`, async () => {
        const messages = cacheBytes({ backplane, settings: { cacheMib: CACHE_MIB } });
        const close = await fillChannels({ backplane, payloadBytes });
        await growsByLessThan(messages + CHANNELS * CHANNEL_BYTES, inUse);
        await close();
      });
    }
  }
});

/** Fills channels with more than the cache holds, each with a reader of both dialects. Returns a function that closes them. */
async function fillChannels({ backplane, payloadBytes }: Filling): Promise<() => Promise<void>> {
  const readers = new Map<string, LogReader>();
  const log =
    backplane === "valkey"
      ? remoteLog(readers)
      : createMemoryLog({ retentionOf: () => defaultSettings(), maxBytes: CACHE_MIB * MIB });
  const hub = new Hub({ log, cacheMib: CACHE_MIB, maxChannels: CHANNELS });
  const names = Array.from({ length: CHANNELS }, (_, n) => `channel-${n}`);
  for (const name of names) {
    const cursors: Cursor[] = [];
    const listener = {
      onReadable: () => {
        for (const cursor of cursors) while (cursor.read() !== undefined);
      },
    };
    const joining = (["plain", "channels"] as const).map((dialect) =>
      hub.join({ channel: name, dialect, start: "end", listener }),
    );
    if (backplane === "valkey") readers.get(name)?.started({ epoch: "e", next: 1 });
    for (const { cursor } of await Promise.all(joining)) cursors.push(cursor);
  }
  const payload = "1".repeat(payloadBytes);
  const messages = (FILLS * CACHE_MIB * MIB) / (MIN_FRAME_BYTES + payloadBytes);
  for (let sent = 0; sent < messages;) {
    for (const end = sent + MESSAGES_PER_TURN; sent < end; sent++) {
      const channel = names[sent % CHANNELS];
      assert.ok(channel !== undefined);
      const offset = Math.floor(sent / CHANNELS) + 1;
      if (backplane === "valkey") readers.get(channel)?.entries([{ offset, record: payload }]);
      // A unique ID of the maximum length.
      else void hub.publish({ channel, payload, id: String(offset).padStart(128, "é".repeat(32)) });
    }
    await nextTurn();
  }
  return async () => {
    hub.close();
    await log.close();
  };
}

/** A log that stores nothing in this process. The test calls its readers. */
function remoteLog(readers: Map<string, LogReader>): MessageLog {
  const away = (): Promise<never> => Promise.reject(new Error("away"));
  return {
    append: away,
    end: away,
    read: away,
    subscribe(channel, reader) {
      readers.set(channel, reader);
    },
    unsubscribe(channel) {
      readers.delete(channel);
    },
    close: () => Promise.resolve(),
  };
}
