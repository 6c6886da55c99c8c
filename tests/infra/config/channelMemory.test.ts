import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Cursor } from "../../../app/src/channel/cursor.ts";
import { MAX_SLICE_BYTES } from "../../../app/src/channel/frameSlices.ts";
import { Hub } from "../../../app/src/channel/hub.ts";
import type { MessageLog } from "../../../app/src/log/log.ts";
import { createMemoryLog } from "../../../app/src/log/memory/memoryLog.ts";
import { ID_BYTES } from "../../../app/src/log/memory/recentIds.ts";
import { MAX_ENVELOPE_BYTES } from "../../../app/src/wire/encode.ts";
import { MIB } from "../../../app/src/settings/units.ts";
import {
  channelBytes,
  channelsThatFit,
  ENVELOPE_BYTES,
  SLICE_BYTES,
  STORED_ID_BYTES,
} from "../../../infra/config/rules/channelMemory.ts";
import { ManualLog } from "../../app/support/logs.ts";
import { growsByLessThan, memoryInUse } from "../../app/support/memory.ts";

const SETTINGS = { retainedBytes: MIB, retainedMessages: 10_000 };
const CHANNELS = 10;
/** Written bytes per retained byte: the channel drops its oldest messages. */
const FILLS = 2.5;

/** Messages of one size. */
interface Filling {
  readonly backplane: "valkey" | "memory";
  readonly payloadBytes: number;
}

describe("the memory of a channel", function () {
  // Filling ten channels takes long on a busy machine.
  this.timeout(90_000);

  let inUse: number;

  before(() => {
    inUse = memoryInUse();
  });

  it("includes the envelopes of the server", () => {
    assert.equal(ENVELOPE_BYTES, MAX_ENVELOPE_BYTES);
  });

  it("includes the copies that the server sends from", () => {
    assert.equal(SLICE_BYTES, MAX_SLICE_BYTES);
  });

  it("includes the IDs that the server stores", () => {
    assert.equal(STORED_ID_BYTES, ID_BYTES);
  });

  for (const backplane of ["valkey", "memory"] as const) {
    // The smallest payload, a usual one, and one of which a segment of the server holds only one.
    for (const payloadBytes of [1, 100, 33 * 1024]) {
      it(`is at most the estimate for messages of ${payloadBytes} bytes and the backplane ${backplane}`, async () => {
        const estimate = CHANNELS * channelBytes({ backplane, settings: SETTINGS });
        const close = await fillChannels({ backplane, payloadBytes });
        await growsByLessThan(estimate, inUse);
        await close();
      });
    }
  }

  it("allows no channel if one exceeds the share of all channels", () => {
    const settings = { ...SETTINGS, retainedBytes: 1024 * MIB };
    assert.equal(channelsThatFit({ memoryMiB: 2048, backplane: "valkey", settings }), 0);
  });
});

/** Fills channels beyond their retention, each with a reader of both dialects. Returns a function that closes them. */
async function fillChannels({ backplane, payloadBytes }: Filling): Promise<() => Promise<void>> {
  const manual = new ManualLog();
  const log: MessageLog =
    backplane === "valkey" ? manual : createMemoryLog({ ...SETTINGS, retainedSeconds: 300 });
  const hub = new Hub({ log, maxChannels: CHANNELS, heartbeatSeconds: 30, ...SETTINGS });
  const payload = "1".repeat(payloadBytes);
  const retained = SETTINGS.retainedBytes + ENVELOPE_BYTES * SETTINGS.retainedMessages;
  const messages = (FILLS * retained) / (ENVELOPE_BYTES + payloadBytes);
  const batch = Math.ceil(SETTINGS.retainedBytes / 4 / (ENVELOPE_BYTES + payloadBytes));
  for (let n = 0; n < CHANNELS; n++) {
    const name = `channel-${n}`;
    const cursors: Cursor[] = [];
    const onReadable = (): void => {
      for (const cursor of cursors) while (cursor.read() !== undefined);
    };
    const joining = (["plain", "resume"] as const).map((dialect) =>
      hub.join({ channel: name, dialect, start: "end", listener: { onReadable } }),
    );
    if (backplane === "valkey") manual.reader(name).started({ epoch: "e", next: 1 }, 1);
    for (const { cursor } of await Promise.all(joining)) cursors.push(cursor);
    for (let offset = 1; offset <= messages;) {
      for (let of = 0; of < batch; of++, offset++) {
        if (backplane === "valkey") manual.reader(name).entries([{ offset, payload }]);
        // A unique ID of the maximum length.
        else void hub.publish({ channel: name, payload, id: String(offset).padStart(128, "é".repeat(32)) });
      }
      await nextTurn();
    }
  }
  return async () => {
    hub.close();
    await log.close();
  };
}
