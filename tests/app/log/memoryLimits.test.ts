/** The one budget of all channels of the memory log. */
import assert from "node:assert/strict";

import type { Appended, MessageLog, Retention } from "../../../app/src/log/log.ts";
import { createMemoryLog, type MemoryLogOptions } from "../../../app/src/log/memory/memoryLog.ts";
import { KIB, MIB } from "../../../app/src/settings/units.ts";
import { LogRecorder } from "./logRecorder.ts";
import { subscribeTo } from "./subscribeTo.ts";

const RETENTION: Retention = { retainedMessages: 100_000, retainedBytes: 64 * MIB, retainedSeconds: 300 };

/** Minimum memory of a channel without a reader. A smaller one would allow more channels than the budget has memory for. */
const MIN_CHANNEL_BYTES = 256;

/** With a search through all channels, the appends need many seconds. */
const MAX_APPENDS_MS = 1000;

describe("the budget of the memory log", () => {
  let log: MessageLog;
  let nowMs = 0;

  const open = (options: Partial<MemoryLogOptions> = {}): void => {
    nowMs = 0;
    // Each call is a millisecond later, so that the log can order the channels.
    log = createMemoryLog({ retentionOf: () => RETENTION, now: () => nowMs++, ...options });
  };
  /** The memory log answers at once. */
  const append = (channel: string, record: string, id?: string): Appended => {
    const appended = log.append({ channel, record, id });
    assert.ok("epoch" in appended);
    return appended;
  };
  const follow = (channel: string): LogRecorder => {
    const reader = new LogRecorder();
    reader.stop = subscribeTo(log, channel, reader);
    return reader;
  };
  const retained = async (channel: string): Promise<readonly string[]> => {
    const { entries } = await log.read(channel, { epoch: "", next: 1 }, Infinity);
    return entries.map(({ record }) => record);
  };
  /** Returns how many of the channels are kept that were used last. */
  const countKept = async (channels: readonly string[], epochs: readonly string[]): Promise<number> => {
    // From the newest one on, because each call can create a channel, which evicts others.
    for (let n = channels.length - 1; n >= 0; n--) {
      if ((await log.end(String(channels[n]))).epoch !== epochs[n]) return channels.length - 1 - n;
    }
    return channels.length;
  };
  const names = (count: number): readonly string[] => Array.from({ length: count }, (_, n) => `channel ${n}`);

  afterEach(() => log.close());

  it("evicts the oldest entries of all channels", async () => {
    const [maxBytes, recordBytes, count] = [256 * KIB, KIB, 100];
    open({ maxBytes });
    const channels = names(count);
    const readers = channels.map(follow);
    const records = Array.from({ length: 10 * count }, (_, n) => String(n).padStart(recordBytes));
    for (const [n, record] of records.entries()) append(String(channels[n % count]), record);
    const kept = new Set((await Promise.all(channels.map(retained))).flat());
    assert.ok(kept.size * recordBytes <= maxBytes, `${kept.size} kept`);
    // A block is evicted as a whole, and has unused space.
    const newest = records.slice(-maxBytes / recordBytes / 4);
    assert.deepEqual(
      newest.filter((record) => !kept.has(record)),
      [],
    );
    for (const [n, reader] of readers.entries()) {
      assert.deepEqual([reader.starts, reader.records.length], [1, records.length / count], channels[n]);
    }
  });

  it("keeps the entries of quiet channels if a hot one exceeds only its own limits", async () => {
    open({
      maxBytes: 256 * KIB,
      retentionOf: (channel) => (channel === "hot" ? { ...RETENTION, retainedBytes: 64 * KIB } : RETENTION),
    });
    for (const channel of names(100)) {
      follow(channel);
      append(channel, channel);
    }
    const hot = follow("hot");
    const record = "x".repeat(KIB);
    for (let n = 0; n < 10 * KIB; n++) append("hot", record);
    assert.equal(hot.records.length, 10 * KIB);
    const { length } = await retained("hot");
    assert.ok(length >= 64 && length <= 2 * 64, `${length} kept`);
    for (const channel of names(100)) assert.deepEqual(await retained(channel), [channel]);
  });

  it("limits a hot channel that retains more, and continues its offsets", async () => {
    open({ maxBytes: 256 * KIB });
    const hot = follow("hot");
    const quiet = follow("quiet");
    append("quiet", "old");
    const { epoch } = append("hot", "first");
    for (let n = 0; n < 10 * KIB; n++) append("hot", String(n).padStart(KIB));
    const { from, entries } = await log.read("hot", { epoch, next: 1 }, Infinity);
    assert.deepEqual([from.epoch, from.next + entries.length], [epoch, 10 * KIB + 2]);
    assert.ok(entries.length >= 100 && entries.length < 256, `${entries.length} kept`);
    assert.deepEqual([hot.records.length, hot.starts], [10 * KIB + 1, 1]);
    assert.deepEqual(await log.read("quiet", { epoch: quiet.epoch, next: 1 }, 1), {
      from: { epoch: quiet.epoch, next: 2 },
      entries: [],
    });
  });

  it("limits the channels of a user without readers, and keeps those that were used last", async () => {
    const maxBytes = MIB;
    open({ maxBytes });
    const reader = follow("read");
    const channels = names(50_000);
    const epochs: string[] = [];
    for (const channel of channels) epochs.push(append(channel, channel, "id").epoch);
    const kept = await countKept(channels, epochs);
    assert.ok(kept > 100 && kept <= maxBytes / MIN_CHANNEL_BYTES, `${kept} kept`);
    assert.equal(append("read", "x").epoch, reader.epoch);
    // A channel without a reader loses its place.
    reader.stop();
    reader.stop();
    for (const channel of channels) await log.end(channel);
    assert.notEqual((await log.end("read")).epoch, reader.epoch);
  });

  it("keeps an unread channel that is used", () => {
    open({ maxBytes: 256 * KIB });
    const { epoch } = append("used", "x");
    for (const channel of names(10_000)) {
      append(channel, channel);
      assert.equal(append("used", "x").epoch, epoch);
    }
  });

  it("counts the memory of ids, and keeps those of the retained entries", async () => {
    open({ maxBytes: 256 * KIB });
    follow("c");
    const records = Array.from({ length: 20_000 }, (_, n) => String(n));
    for (const record of records) append("c", record, record);
    const kept = await retained("c");
    assert.ok(kept.length > 1000 && kept.length < (256 * KIB) / 50, `${kept.length} kept`);
    for (const record of kept) assert.ok(append("c", record, record).duplicate, record);
    // Its entry was evicted.
    assert.equal(append("c", "0", "0").duplicate, false);
  });

  it("retains an entry that exceeds the budget by itself, until another channel is used", async () => {
    open({ maxBytes: 64 * KIB });
    const first = append("c", "x".repeat(100_000), "id");
    assert.deepEqual(append("c", "x".repeat(100_000), "id"), { ...first, duplicate: true });
    assert.equal((await retained("c")).length, 1);
    assert.equal(append("c", "y", "other id").epoch, first.epoch);
    assert.deepEqual(await retained("c"), ["y"]);
    append("c", "x".repeat(100_000));
    await log.end("other");
    assert.deepEqual(await retained("c"), []);
  });

  it("evicts by the retention time of each channel", async () => {
    open({
      now: () => nowMs,
      retentionOf: (channel) => ({ ...RETENTION, retainedSeconds: channel === "brief" ? 1 : 10 }),
    });
    const [brief, long] = [follow("brief"), follow("long")];
    const records = async (): Promise<unknown> => [await retained("brief"), await retained("long")];
    for (const channel of ["long", "brief"]) append(channel, channel);
    nowMs = 1000;
    assert.deepEqual(await records(), [["brief"], ["long"]]);
    nowMs = 1001;
    assert.deepEqual(await records(), [[], ["long"]]);
    nowMs = 10_001;
    assert.deepEqual(await records(), [[], []]);
    assert.deepEqual(
      [append("brief", "x"), append("long", "x")],
      [
        { epoch: brief.epoch, offset: 2, duplicate: false },
        { epoch: long.epoch, offset: 2, duplicate: false },
      ],
    );
  });

  it("has its whole memory again after entries, ids and channels were evicted", async () => {
    open({ maxBytes: 256 * KIB, now: () => nowMs });
    const channels = names(2000);
    const kept: number[] = [];
    for (let fill = 0; fill < 5; fill++) {
      const readers = names(100).map(follow);
      const epochs = channels.map((channel) => {
        nowMs += 1;
        append(channel, "first", "first");
        return append(channel, channel.repeat(fill % 2 === 0 ? 1 : 100), "second").epoch;
      });
      for (const reader of readers) reader.stop();
      kept.push(await countKept(channels, epochs));
      nowMs += 2 * RETENTION.retainedSeconds * 1000;
    }
    assert.deepEqual([kept[2], kept[3], kept[4]], [kept[0], kept[1], kept[0]]);
    assert.notEqual(kept[0], kept[1]);
  });

  it("does not search through channels with nothing to evict", () => {
    open({ maxBytes: 64 * MIB });
    for (const channel of names(20_000)) {
      follow(channel);
      append(channel, channel);
    }
    const began = performance.now();
    for (const channel of names(20_000)) append(channel, channel);
    const took = performance.now() - began;
    assert.ok(took < MAX_APPENDS_MS, `${took} ms`);
  });
});
