import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";

import { ManualLog } from "../support/logs.ts";
import { growsByLessThan, memoryInUse } from "../support/memory.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import { entriesFrom, hubOn, join } from "./hubFixture.ts";

const CHANNELS = 20_000;
const ROUND = 1000;

/** Memory of a piece besides its frames, which the cache counts, and of the list that it is in. */
const PIECE_BYTES = 256;

describe("a channel that has ended", () => {
  it("is not kept in memory by its messages", async function () {
    this.timeout(60_000);
    const log = new ManualLog();
    const hub = hubOn({ log, cacheMib: 64, maxChannels: 2 * CHANNELS });
    const before = memoryInUse();
    for (let first = 0; first < CHANNELS; first += ROUND) {
      for (let n = first; n < first + ROUND; n++) {
        const channel = `channel ${n}`;
        const joining = join(hub, { channel, dialect: "channels" });
        const reader = log.reader(channel);
        reader.started({ epoch: "e", next: 1 });
        const { cursor } = await joining;
        reader.entries(entriesFrom(1, "1"));
        cursor.close();
      }
      await delay(1);
    }
    await waitUntil(() => hub.channels === 0);
    assert.ok(hub.cache.recent.bytes > CHANNELS * PIECE_BYTES, "the messages are in memory");
    await growsByLessThan(hub.cache.recent.bytes + CHANNELS * PIECE_BYTES, before);
    hub.close();
  });
});
