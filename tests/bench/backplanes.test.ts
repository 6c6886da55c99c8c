import assert from "node:assert/strict";

import { perform } from "../../bench/backplanes/cases.ts";
import { DESIGNS } from "../../bench/backplanes/designs/index.ts";
import { partitionOf, PARTITIONS, slotOf, TAGS } from "../../bench/backplanes/partitions.ts";
import { requireValkey } from "../support/valkey.ts";

describe("the comparison of backplanes", () => {
  it("has a hash tag in each partition, at equal distances", () => {
    const slots = TAGS.map(slotOf);
    assert.equal(new Set(TAGS).size, PARTITIONS);
    for (const [partition, slot] of slots.entries()) {
      assert.equal(Math.floor(slot / (16_384 / PARTITIONS)), partition);
    }
  });

  it("computes the slots of the cluster specification", () => {
    assert.equal(slotOf("123456789"), 0x31c3);
  });

  it("distributes numbered channels evenly", () => {
    const counts = new Array<number>(PARTITIONS).fill(0);
    for (let user = 0; user < 64_000; user++) {
      const partition = partitionOf(`user.${user}`);
      counts[partition] = (counts[partition] ?? 0) + 1;
    }
    assert.ok(Math.max(...counts) < 1100, String(counts));
    assert.ok(Math.min(...counts) > 900, String(counts));
  });

  for (const [name, design] of Object.entries(DESIGNS)) {
    it(`loses nothing with ${name} when connections are cut`, async function () {
      this.timeout(60_000);
      await requireValkey(this);
      const figures = await perform(design, { kind: "loss", channels: 20, primaries: 2, effort: 0.2 });
      assert.ok((figures["stored"] ?? 0) > 0, "Nothing was appended.");
      assert.deepEqual(
        { missing: figures["missing"], extra: figures["extra"], disordered: figures["disordered"] },
        { missing: 0, extra: 0, disordered: 0 },
      );
    });
  }
});
