import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

import { runBench } from "../../bench/bench.ts";
import { QUICK_EFFORT } from "../../bench/case.ts";
import { CASES } from "../../bench/cases/index.ts";
import { contestants } from "../../bench/contestants.ts";
import type { CaseResult } from "../../bench/results.ts";
import { findStore } from "../../bench/store.ts";

describe("the benchmark of a cluster", function () {
  this.timeout(120_000);
  let folder: string;

  before(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "bench-cluster-"));
  });

  after(() => rm(folder, { recursive: true }));

  it("verifies messages of 1,000 channels through one primary and through two", async function () {
    const startStore = await findStore(process.env["PATH"], undefined);
    if (startStore === undefined) this.skip();
    const results: CaseResult[] = [];
    await runBench({
      cases: CASES.filter(({ name }) => name === "cluster"),
      effort: QUICK_EFFORT,
      contestants: contestants({ peersFolder: undefined, haproxy: undefined }),
      pinning: undefined,
      folder,
      environment: { PATH: process.env["PATH"] ?? "" },
      startStore,
      signal: AbortSignal.timeout(120_000),
      onProgress: () => undefined,
      onCase: (result) => results.push(result),
      onSkipped: () => undefined,
    });
    const [run] = results[0]?.results[0]?.runs ?? [];
    assert.ok(run?.outcome === "measured", JSON.stringify(run));
    // Only Linux reports the CPU time of a process.
    if (process.platform === "linux") assert.ok((run.figures["factor"] ?? 0) > 0);
    assert.ok((run.figures["messagesPerSecond"] ?? 0) > 0);
  });
});
