import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Cursor } from "../../app/src/channel/cursor.ts";
import { MAX_SLICE_BYTES } from "../../app/src/channel/frameSlices.ts";
import { Hub } from "../../app/src/channel/hub.ts";
import type { MessageLog } from "../../app/src/log/log.ts";
import { createMemoryLog } from "../../app/src/log/memory/memoryLog.ts";
import { ID_BYTES } from "../../app/src/log/memory/recentIds.ts";
import { MAX_ENVELOPE_BYTES } from "../../app/src/wire/encode.ts";
import { MIB } from "../../app/src/settings/units.ts";
import {
  channelBytes,
  channelsThatFit,
  ENVELOPE_BYTES,
  SLICE_BYTES,
  STORED_ID_BYTES,
} from "../../infra/config/rules/channelMemory.ts";
import { growsByLessThan, ManualLog, memoryInUse } from "../app/support.ts";

const SETTINGS = { retainedBytes: MIB, retainedMessages: 10_000 };
const CHANNELS = 10;
/** What is written, by what is kept at least: more, so that the oldest goes. */
const FILLS = 2.5;

/** What fills a channel: payloads of one size. */
interface Filling {
  readonly backplane: "valkey" | "memory";
  readonly payloadBytes: number;
}

describe("the memory of a channel", () => {
  let inUse: number;

  before(() => {
    inUse = memoryInUse();
  });

  it("counts what the server keeps around a message", () => {
    assert.equal(ENVELOPE_BYTES, MAX_ENVELOPE_BYTES);
  });

  it("counts what the server copies for its readers", () => {
    assert.equal(SLICE_BYTES, MAX_SLICE_BYTES);
  });

  it("counts what the server keeps of an id", () => {
    assert.equal(STORED_ID_BYTES, ID_BYTES);
  });

  for (const backplane of ["valkey", "memory"] as const) {
    // The smallest, a usual size, and one of which a segment of the server has room for one only.
    for (const payloadBytes of [1, 100, 33 * 1024]) {
      it(`is at most what is reckoned, when it is full of ${payloadBytes} bytes: ${backplane}`, async () => {
        const reckoned = CHANNELS * channelBytes({ backplane, settings: SETTINGS });
        const close = await fillChannels({ backplane, payloadBytes });
        await growsByLessThan(reckoned, inUse);
        await close();
      });
    }
  }

  it("leaves room for none where it is more than the share of the channels", () => {
    const settings = { ...SETTINGS, retainedBytes: 1024 * MIB };
    assert.equal(channelsThatFit({ memoryMiB: 2048, backplane: "valkey", settings }), 0);
  });
});

/** Fills channels beyond what they keep, each with a reader in both dialects that reads at once. @returns its undo. */
async function fillChannels({ backplane, payloadBytes }: Filling): Promise<() => Promise<void>> {
  const manual = new ManualLog();
  const log: MessageLog =
    backplane === "valkey" ? manual : createMemoryLog({ ...SETTINGS, retainedSeconds: 300 });
  const hub = new Hub({ log, maxChannels: CHANNELS, heartbeatSeconds: 30, ...SETTINGS });
  const payload = "1".repeat(payloadBytes);
  const kept = SETTINGS.retainedBytes + ENVELOPE_BYTES * SETTINGS.retainedMessages;
  const messages = (FILLS * kept) / (ENVELOPE_BYTES + payloadBytes);
  const batch = Math.ceil(SETTINGS.retainedBytes / 4 / (ENVELOPE_BYTES + payloadBytes));
  for (let n = 0; n < CHANNELS; n++) {
    const name = `channel-${n}`;
    const cursors: Cursor[] = [];
    const onReadable = (): void => {
      for (const cursor of cursors) while (cursor.read() !== undefined);
    };
    const joining = (["plain", "resume"] as const).map((dialect) =>
      hub.join(name, dialect, undefined, { onReadable }),
    );
    if (backplane === "valkey") manual.reader(name).started({ epoch: "e", next: 1 }, 1);
    for (const { cursor } of await Promise.all(joining)) cursors.push(cursor);
    for (let offset = 1; offset <= messages;) {
      for (let of = 0; of < batch; of++, offset++) {
        if (backplane === "valkey") manual.reader(name).entries([{ offset, payload }]);
        // The longest id, in another text each.
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
