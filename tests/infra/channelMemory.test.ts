import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Cursor } from "../../app/src/channel.ts";
import { Hub } from "../../app/src/hub.ts";
import { MAX_SLICE_BYTES } from "../../app/src/frameLog.ts";
import { MAX_ENVELOPE_BYTES } from "../../app/src/protocol.ts";
import { MIB } from "../../app/src/settings.ts";
import { channelBytes, channelsThatFit, ENVELOPE_BYTES, SLICE_BYTES } from "../../infra/channelMemory.ts";
import { growsByLessThan, ManualLog, memoryInUse } from "../app/support.ts";

const SETTINGS = { retainedBytes: MIB, retainedMessages: 10_000 };
const CHANNELS = 20;
/** What is written, by what is kept at least: more, so that the oldest goes. */
const FILLS = 2;

describe("the memory of a channel", () => {
  it("counts what the server keeps around a message", () => {
    assert.equal(ENVELOPE_BYTES, MAX_ENVELOPE_BYTES);
  });

  it("counts what the server copies for its readers", () => {
    assert.equal(SLICE_BYTES, MAX_SLICE_BYTES);
  });

  it("is at most what is reckoned, when it is full in both dialects", async () => {
    const reckoned = CHANNELS * channelBytes({ backplane: "valkey", settings: SETTINGS });
    const before = memoryInUse();
    const channels = await fullChannels(100);
    await growsByLessThan(reckoned, before);
    channels.close();
  });

  it("leaves room for none where it is more than the share of the channels", () => {
    const settings = { ...SETTINGS, retainedBytes: 1024 * MIB };
    assert.equal(channelsThatFit({ memoryMiB: 2048, backplane: "valkey", settings }), 0);
  });
});

/** Channels that keep as much as they may, each with a reader in both dialects that reads at once. */
async function fullChannels(messageBytes: number): Promise<Hub> {
  const log = new ManualLog();
  const hub = new Hub({ log, maxChannels: CHANNELS, heartbeatSeconds: 30, ...SETTINGS });
  const payload = JSON.stringify("x".repeat(messageBytes - 2));
  const batch = SETTINGS.retainedBytes / 4 / messageBytes;
  for (let n = 0; n < CHANNELS; n++) {
    const name = `channel-${n}`;
    const cursors: Cursor[] = [];
    const onReadable = (): void => {
      for (const cursor of cursors) while (cursor.read() !== undefined);
    };
    const joining = (["plain", "resume"] as const).map((dialect) =>
      hub.join(name, dialect, undefined, { onReadable }),
    );
    const reader = log.reader(name);
    reader.started({ epoch: "e", next: 1 }, 1);
    for (const { cursor } of await Promise.all(joining)) cursors.push(cursor);
    let offset = 1;
    while (offset * messageBytes < FILLS * SETTINGS.retainedBytes) {
      reader.entries(Array.from({ length: batch }, () => ({ offset: offset++, payload })));
      await nextTurn();
    }
  }
  return hub;
}
