/** The keys of the Valkey log, and the messages by which it publishes entries. */
import assert from "node:assert/strict";

import fc from "fast-check";

import {
  parseStreamKey,
  PARTITION_SLOTS,
  partitionOf,
  PARTITIONS,
  streamKey,
} from "../../../app/src/log/valkey/connection/partitions.ts";
import { formatPublished, parsePublished } from "../../../app/src/log/valkey/publishedMessage.ts";

const SLOTS = 16_384;

describe("the keys of the Valkey log", () => {
  it("are in 64 slots at equal distances", () => {
    assert.deepEqual(
      PARTITION_SLOTS.map((slot) => Math.floor(slot / (SLOTS / PARTITIONS))),
      Array.from({ length: PARTITIONS }, (_, partition) => partition),
    );
    assert.match(streamKey(0, "c"), /^websocket:\{10\}:/);
    assert.match(streamKey(1, "c"), /^websocket:\{18\}:/);
  });

  it("are in the slots that the CRC of a cluster determines", () => {
    // https://valkey.io/topics/cluster-spec: the CRC16 of this text is 0x31c3.
    assert.equal(partitionOf("123456789"), Math.floor((0x31c3 % SLOTS) / (SLOTS / PARTITIONS)));
  });

  it("distribute numbered channels evenly", () => {
    const counts = new Array<number>(PARTITIONS).fill(0);
    for (let n = 0; n < 20_000; n++) {
      const partition = partitionOf(`user.${n}`);
      counts[partition] = (counts[partition] ?? 0) + 1;
    }
    assert.ok(Math.max(...counts) <= 1.02 * (20_000 / PARTITIONS), String(Math.max(...counts)));
  });

  it("return the partition and the name of a channel", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (name) => {
        const partition = partitionOf(name);
        assert.deepEqual(parseStreamKey(Buffer.from(streamKey(partition, name))), { partition, name });
      }),
    );
    assert.equal(parseStreamKey(Buffer.from("websocket:{9999}:channel:c")), undefined);
  });
});

describe("a published message", () => {
  it("returns the entries from which it was made", () => {
    const record = fc.string({ unit: "grapheme" }).map((text) => text.replaceAll("\n", ""));
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.array(record, { minLength: 1 }), (epoch, first, records) => {
        const message = Buffer.from(formatPublished(epoch, first, "=name", records));
        assert.deepEqual(parsePublished(message), {
          epoch,
          name: "=name",
          entries: records.map((text, n) => ({
            offset: first + n,
            record: text,
            bytes: Buffer.byteLength(text),
          })),
        });
      }),
    );
  });

  it("is ignored in another form", () => {
    for (const text of ["", "1-1", "1-1\nname", "x\ny\nz"]) {
      assert.equal(parsePublished(Buffer.from(text)), undefined, text);
    }
  });
});
