import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import type { Costs } from "../../bench/capacity/costs.ts";
import { renderCapacity, replaceCapacity } from "../../bench/capacity/page.ts";
import { describeSizes } from "../../bench/capacity/sizes.ts";

/** A millisecond for each, so that the sums are easy to check. */
const MILLISECONDS = { message: 1e-3, delivery: 1e-4 } as const;
const COSTS: Costs = {
  idleBytes: 6144,
  handshake: 1e-3,
  heartbeat: 0,
  alone: MILLISECONDS,
  together: { message: 1e-4, delivery: 1e-5 },
};

describe("the capacity of a task", () => {
  it("is a share of its CPU, of which the server uses at most one vCPU", () => {
    const sizes = describeSizes(COSTS);
    assert.deepEqual(
      sizes.map(({ vcpus, handshakes, alone, together }) => [
        vcpus,
        ...[handshakes, alone.messages, alone.deliveries, together.messages].map(Math.round),
      ]),
      [
        [0.25, 150, 150, 1500, 1500],
        [0.5, 300, 300, 3000, 3000],
        [1, 600, 600, 6000, 6000],
        [2, 600, 600, 6000, 6000],
        [4, 600, 600, 6000, 6000],
      ],
    );
  });

  it("leaves the CPU of the heartbeats out", () => {
    const [size] = describeSizes({ ...COSTS, heartbeat: 3e-5 });
    assert.ok(size);
    // Each connection has a heartbeat every 30 seconds.
    assert.equal(Math.round(size.handshakes), Math.round(150 - size.connections / 1000));
    const [overloaded] = describeSizes({ ...COSTS, heartbeat: 1 });
    assert.equal(overloaded?.handshakes, 0);
  });

  it("has the connections that the configuration allows beside the recent messages", () => {
    const sizes = describeSizes(COSTS);
    assert.deepEqual(
      sizes.map(({ memoryMiB, cacheMib }) => [memoryMiB, cacheMib]),
      [
        [512, 64],
        [1024, 128],
        [2048, 256],
        [4096, 512],
        [8192, 1024],
      ],
    );
    const connections = sizes.map((size) => size.connections);
    assert.ok(connections.every((count) => count > 4000 && count <= 65_000));
    assert.deepEqual(connections.slice(2), [65_000, 65_000, 65_000]);
  });
});

describe("docs/capacity.md", () => {
  const PAGE = new URL("../../docs/capacity.md", import.meta.url);

  const machine = {
    cpu: "a CPU",
    cpus: 2,
    memoryBytes: 1024 ** 3,
    system: "Linux",
    node: "24.0.0",
    pinned: { server: 0, generator: 1 },
  };

  it("states the machine, the costs, and two digits of each figure", () => {
    const part = renderCapacity({ ...COSTS, heartbeat: 1.5e-7 }, machine, new Date("2026-11-30T12:00:00Z"));
    assert.match(
      part,
      /^Measured on 2026-11-30: a CPU, 2 CPUs, 1\.0 GiB, Linux, Node 24\.0\.0; server on CPU 0/,
    );
    assert.match(part, /^\| memory of an idle connection +\| +6\.0 KiB \|$/m);
    assert.match(part, /^\| CPU of a handshake +\| +1000 µs \|$/m);
    assert.match(part, /^\| CPU of a heartbeat and its answer +\| +0\.15 µs \|$/m);
    assert.match(
      part,
      /^\| 0\.25 \| 0\.5 \| +64 \| +4,300 \| +140 \| +140 to 1,400 \| +1,400 to 14,000 \|$/m,
    );
  });

  it("has the memory and connections of the present limits", () => {
    // The other columns are measured.
    const memoryOf = (page: string): readonly (readonly string[])[] =>
      [...page.matchAll(/^\| ([\d.]+) +\| +([\d.]+) \| +(\d+) \| +([\d,]+) \|/gm)].map((row) => row.slice(1));
    const present = memoryOf(renderCapacity(COSTS, machine, new Date(0)));
    assert.equal(present.length, 5);
    assert.deepEqual(
      memoryOf(readFileSync(PAGE, "utf8")),
      present,
      "docs/capacity.md is outdated: run npm run bench -- --capacity",
    );
  });

  it("keeps its text around the generated part", () => {
    const page = "# Title\n\n<!-- npm run bench -- --capacity -->\nold\n<!-- end of capacity -->\n\nMore\n";
    const replaced =
      "# Title\n\n<!-- npm run bench -- --capacity -->\n\nnew\n<!-- end of capacity -->\n\nMore\n";
    assert.equal(replaceCapacity(page, "new"), replaced);
    assert.throws(() => replaceCapacity("# Title\n", "new"), /has no <!--/);
  });
});
