import assert from "node:assert/strict";

import { ValkeyAppender } from "../../../app/src/log/valkey/append/appender.ts";
import { PendingAppend } from "../../../app/src/log/valkey/append/pendingAppend.ts";
import { ValkeyNode } from "../../../app/src/log/valkey/connection/valkeyNode.ts";
import type { ValkeyNodeParts } from "../../../app/src/log/valkey/connection/valkeyNode.ts";
import { ValkeyChannel } from "../../../app/src/log/valkey/valkeyChannel.ts";
import { silent } from "../support/teardown.ts";

const RETENTION = { retainedMessages: 1, retainedBytes: 1, retainedSeconds: 1 };

/** A node whose connections no test uses. */
const NODE = new ValkeyNode({ address: "node" } as ValkeyNodeParts);

describe("the appender of the Valkey log", () => {
  it("opens 200 channels at a time, and none whose appends have been rejected meanwhile", async () => {
    const appends = Array.from({ length: 1000 }, (_, n) => pendingAppend(`c${n}`));
    const opened: number[] = [];
    const appender = new ValkeyAppender({
      channels: {
        open(_, requests) {
          opened.push(requests.length);
          if (opened.length === 2) for (const append of appends.slice(500)) append.reject(new Error("late"));
          return Promise.resolve(requests.map(() => new Error("refused")));
        },
      },
      onAppended: () => undefined,
      onUnpublished: () => undefined,
      logger: silent,
    });
    const { appends: unstored, refusals } = await appender.store(NODE, appends);
    assert.deepEqual([opened, unstored.length, refusals.size], [[200, 200, 100], 500, 500]);
  });
});

function pendingAppend(name: string): PendingAppend {
  const append = new PendingAppend({
    channel: new ValkeyChannel(name, 0, RETENTION),
    message: { channel: name, record: "x" },
    recordBytes: 1,
    name,
    onSettled: () => undefined,
  });
  append.result.catch(() => undefined);
  return append;
}
