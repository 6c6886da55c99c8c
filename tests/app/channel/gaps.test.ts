import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";

import { encodeBroadcast } from "../../../app/src/wire/encode.ts";
import { ManualLog } from "../support/logs.ts";
import { textsOf } from "../support/rawClient.ts";
import {
  broadcastOf,
  CHANNEL,
  hubOn,
  join,
  followed,
  framesOf,
  noticesOf,
  readAll,
  readToEnd,
  entriesFrom,
} from "./hubFixture.ts";

describe("a channel whose log does not continue at the next offset", () => {
  it("delivers a gap in the same epoch after the unread messages, and continues", async () => {
    const { hub, reader, first: plain } = await followed(5);
    const { cursor } = await join(hub, { dialect: "channels" });
    reader.entries(entriesFrom(5, "5"));
    reader.started({ epoch: "e", next: 9 });
    reader.entries(entriesFrom(9, "9"));
    assert.deepEqual(textsOf(readAll(cursor)), [
      encodeBroadcast("channels", broadcastOf("5", 5)),
      ...noticesOf("e", 8, { epoch: "e", from: 6, to: 8 }),
      encodeBroadcast("channels", broadcastOf("9", 9)),
    ]);
    assert.deepEqual(readAll(plain.cursor), framesOf("plain", 5, "5", "9"), "plain clients receive no gaps");
  });

  it("notifies readers of a gap in another epoch, even if no message follows", async () => {
    const { hub, reader } = await followed(5);
    let notified = 0;
    const { cursor } = await join(hub, { dialect: "channels", listener: { onReadable: () => notified++ } });
    reader.started({ epoch: "f", next: 1 });
    await nextTurn();
    assert.equal(notified, 1);
    assert.deepEqual(textsOf(readAll(cursor)), [...noticesOf("f", 0, { epoch: "e", from: 5 })]);
  });

  it("delivers the messages before the gap, the gap and later messages to clients that resume", async () => {
    for (const first of ["channels"] as const) {
      const { hub, reader } = await followed(4, {}, first);
      reader.entries(entriesFrom(4, "4", "5"));
      reader.started({ epoch: "e", next: 9 });
      reader.entries(entriesFrom(9, "9"));
      const notices = noticesOf("e", 8, { epoch: "e", from: 6, to: 8 });
      const [four, five, nine] = [4, 5, 9].map((n) => encodeBroadcast("channels", broadcastOf(String(n), n)));
      for (const [offset, startsAt, gap, texts] of [
        [3, 3, undefined, [four, five, ...notices, nine]],
        [4, 4, undefined, [five, ...notices, nine]],
        [5, 8, { epoch: "e", from: 6, to: 8 }, [nine]],
        // Another task has delivered a message that this one could not read.
        [6, 8, { epoch: "e", from: 7, to: 8 }, [nine]],
        [8, 8, undefined, [nine]],
        [9, 9, undefined, []],
      ] as const) {
        const joined = await join(hub, { dialect: "channels", start: { epoch: "e", offset } });
        assert.deepEqual([joined.offset, joined.gap], [startsAt, gap], `${first}, ${offset}`);
        assert.deepEqual(textsOf(await readToEnd(joined.cursor)), texts, `${first}, ${offset}`);
      }
    }
  });

  it("delivers no gap to later clients, which can resume only in the new epoch", async () => {
    const { log, hub, reader } = await followed(5, {}, "channels");
    log.onEnd = () => Promise.resolve({ epoch: "f", next: 2 });
    reader.entries(entriesFrom(5, "5"));
    reader.started({ epoch: "f", next: 1 });
    reader.entries(entriesFrom(1, "1"));
    for (const dialect of ["channels", "plain"] as const) {
      const level = await join(hub, { dialect, start: { epoch: "f", offset: 0 } });
      assert.deepEqual([level.offset, level.gap], [0, undefined]);
      assert.deepEqual(await readToEnd(level.cursor), framesOf(dialect, 1, "1"));
      const behind = await join(hub, { dialect, start: { epoch: "e", offset: 4 } });
      assert.deepEqual([behind.offset, behind.gap], [0, { epoch: "e", from: 5 }]);
    }
  });

  it("delivers no gap to clients that wait for the first epoch", async () => {
    const log = new ManualLog();
    const hub = hubOn({ log });
    const joining = join(hub, { dialect: "channels" });
    const reader = log.reader(CHANNEL);
    reader.started({ epoch: "e", next: 1 }, "1");
    reader.started({ epoch: "f", next: 3 }, "3");
    const { cursor, epoch, offset } = await joining;
    assert.deepEqual([epoch, offset, cursor.read()], ["f", 3, undefined]);
  });
});
