/** The position of a followed channel, without a server. */
import assert from "node:assert/strict";

import fc from "fast-check";

import type { LogEntry, LogPosition } from "../../../app/src/log/log.ts";
import { FollowedChannel } from "../../../app/src/log/valkey/follow/followedChannel.ts";
import { ValkeyChannel } from "../../../app/src/log/valkey/valkeyChannel.ts";

const RETENTION = { retainedMessages: 100, retainedBytes: 1000, retainedSeconds: 10 };
const EPOCH = 1000;

describe("a followed channel", () => {
  let followed: FollowedChannel;
  let starts: LogPosition[];
  let offsets: number[];

  const reader = {
    started: (from: LogPosition) => starts.push(from),
    entries: (entries: readonly LogEntry[]) => offsets.push(...entries.map(({ offset }) => offset)),
  };

  beforeEach(() => {
    [starts, offsets] = [[], []];
    const channel = new ValkeyChannel("c", 0, RETENTION);
    channel.followed = followed = new FollowedChannel(channel);
    followed.add(reader);
  });

  const startAt = (end: number): void => {
    assert.ok(followed.place({ epoch: EPOCH, first: 1, end }));
    followed.startJoining();
  };

  /** Takes a message with the entries from `first` up to `end`, as the driver does. */
  const take = (first: number, end: number, epoch = EPOCH): void => {
    const known = followed.check(epoch, first, end);
    if (known < 0) return;
    const entries = Array.from({ length: end - first - known }, (_, n) => ({
      offset: first + known + n,
      record: "",
    }));
    followed.advance(entries.length);
    followed.deliver(entries, 0);
  };

  it("starts a reader at the end of the channel", () => {
    startAt(5);
    assert.deepEqual(starts, [{ epoch: String(EPOCH), next: 5 }]);
    assert.equal(followed.isBehind, false);
  });

  it("takes messages that continue, and the new entries of one that repeats others", () => {
    startAt(1);
    take(1, 3);
    take(2, 5);
    take(1, 3);
    assert.deepEqual(offsets, [1, 2, 3, 4]);
    assert.equal(followed.isBehind, false);
  });

  it("is behind after a message with later entries, until the missing ones were read", () => {
    startAt(1);
    take(3, 5);
    assert.deepEqual([offsets, followed.isBehind], [[], true]);
    followed.isReading = true;
    take(5, 6);
    take(1, 2);
    assert.deepEqual(offsets, [], "messages during a read only show which entries exist");
    followed.advance(5);
    followed.isReading = false;
    assert.equal(followed.isBehind, false);
  });

  it("starts no reader before it has all entries that are known to exist", () => {
    startAt(1);
    take(2, 3);
    followed.add({ started: (from) => starts.push(from), entries: () => undefined });
    followed.startJoining();
    assert.equal(starts.length, 1);
    followed.advance(2);
    followed.startJoining();
    assert.deepEqual(starts.at(-1), { epoch: String(EPOCH), next: 3 });
  });

  it("counts messages that arrive before its position is known", () => {
    take(3, 7);
    startAt(5);
    assert.deepEqual(starts, [{ epoch: String(EPOCH), next: 7 }]);
  });

  it("ignores older epochs, and must be located again in a newer one", () => {
    startAt(4);
    take(4, 6, EPOCH - 1);
    assert.deepEqual([offsets, followed.isPlaced], [[], true]);
    take(1, 3, EPOCH + 1);
    assert.equal(followed.isPlaced, false);
    assert.equal(
      followed.place({ epoch: EPOCH, first: 1, end: 9 }),
      false,
      "the reply is older than the message",
    );
    assert.ok(followed.place({ epoch: EPOCH + 1, first: 1, end: 3 }));
    assert.deepEqual(starts.at(-1), { epoch: String(EPOCH + 1), next: 1 });
    assert.equal(followed.isBehind, true);
  });

  it("starts again at the oldest entry if entries were dropped, and only then", () => {
    startAt(4);
    followed.displace();
    assert.ok(followed.place({ epoch: EPOCH, first: 2, end: 9 }));
    assert.equal(starts.length, 1);
    followed.displace();
    assert.ok(followed.place({ epoch: EPOCH, first: 6, end: 9 }));
    assert.deepEqual(starts.at(-1), { epoch: String(EPOCH), next: 6 });
    followed.displace();
    assert.ok(followed.place({ epoch: EPOCH, first: 6, end: 9 }, 8));
    assert.deepEqual(starts.at(-1), { epoch: String(EPOCH), next: 8 });
  });

  it("delivers each entry once and in order, whatever messages are lost, repeated or reordered", () => {
    const message = fc.tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 5 }));
    fc.assert(
      fc.property(fc.array(message, { maxLength: 60 }), (messages) => {
        [starts, offsets] = [[], []];
        const channel = new ValkeyChannel("c", 0, RETENTION);
        channel.followed = followed = new FollowedChannel(channel);
        followed.add(reader);
        startAt(1);
        let end = 1;
        for (const [first, count] of messages) {
          take(first, first + count);
          end = Math.max(end, first + count);
          if (!followed.isBehind) continue;
          // The stream has every entry.
          const missing = Array.from({ length: end - followed.next }, (_, n) => ({
            offset: followed.next + n,
            record: "",
          }));
          followed.advance(missing.length);
          followed.deliver(missing, 0);
        }
        assert.deepEqual(
          offsets,
          Array.from({ length: end - 1 }, (_, n) => n + 1),
        );
      }),
    );
  });

  it("has several readers, each until its undo", () => {
    startAt(1);
    const others: number[] = [];
    const other = {
      started: () => undefined,
      entries: (entries: readonly LogEntry[]) => others.push(entries.length),
    };
    followed.add(other);
    followed.startJoining();
    take(1, 2);
    followed.remove(reader);
    take(2, 3);
    assert.deepEqual([offsets, others], [[1], [1, 1]]);
    followed.remove(other);
    assert.equal(followed.hasReaders, false);
  });
});
