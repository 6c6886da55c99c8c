import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

import { runBench } from "../../bench/bench.ts";
import { type Case, QUICK_EFFORT } from "../../bench/case.ts";
import { CASES } from "../../bench/cases/index.ts";
import { contestants } from "../../bench/contestants.ts";
import { findHaproxy } from "../../bench/paths/haproxy.ts";
import type { CaseResult } from "../../bench/results.ts";

const HAPROXY = findHaproxy(process.env["PATH"]);

describe("the paths of the benchmark", function () {
  this.timeout(60_000);
  let folder: string;

  before(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "bench-paths-"));
  });

  after(() => rm(folder, { recursive: true }));

  /** @returns the results, and the reasons of skipped cases. */
  async function run(
    measured: Case,
    haproxy: string | undefined,
  ): Promise<readonly [CaseResult[], string[]]> {
    const results: CaseResult[] = [];
    const skipped: string[] = [];
    await runBench({
      cases: [measured],
      effort: QUICK_EFFORT,
      contestants: contestants({ peersFolder: undefined, haproxy }),
      pinning: undefined,
      folder,
      environment: { PATH: process.env["PATH"] ?? "" },
      signal: AbortSignal.timeout(60_000),
      onProgress: () => undefined,
      onCase: (result) => results.push(result),
      onSkipped: (_case, reason) => skipped.push(reason),
    });
    return [results, skipped];
  }

  function caseOf(name: string): Case {
    const found = CASES.find((each) => each.name === name);
    assert.ok(found);
    return found;
  }

  it("are left out, by the name of the program, on a machine without HAProxy", async () => {
    const [results, skipped] = await run(caseOf("edge-latency"), undefined);
    assert.deepEqual(results, []);
    assert.deepEqual(skipped, ["this machine has no haproxy"]);
  });

  for (const name of HAPROXY === undefined ? (["local"] as const) : (["haproxy", "local"] as const)) {
    it(`deliver every message to 1,000 clients: ${name}`, async () => {
      const [results] = await run({ ...caseOf("edge-maximum"), only: [name] }, HAPROXY ?? "none");
      const [result] = results[0]?.results ?? [];
      assert.equal(result?.contestant, name);
      assert.deepEqual(
        result.runs.map(({ outcome }) => outcome),
        ["measured"],
      );
    });
  }
});
