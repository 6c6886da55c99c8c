import assert from "node:assert/strict";

import { FULL_EFFORT, GROUPS, QUICK_EFFORT } from "../../bench/case.ts";
import { CASES } from "../../bench/cases/index.ts";
import { type BenchOptions, HELP, parseOptions } from "../../bench/options.ts";

function parse(...args: string[]): BenchOptions {
  const options = parseOptions(args);
  assert.ok(options);
  return options;
}

describe("the benchmark's command line", () => {
  it("selects all cases by default", () => {
    assert.deepEqual(parse(), {
      cases: CASES,
      effort: FULL_EFFORT,
      peers: false,
      base: undefined,
      capacity: false,
      json: undefined,
    });
  });

  it("selects cases by name and by group, in the order of the table", () => {
    const names = parse("--cases", "resume,echo64,latency").cases.map(({ name }) => name);
    assert.deepEqual(names, ["echo64", "half", "over10", "over60", "resume"]);
  });

  it("combines --reps with --quick", () => {
    assert.deepEqual(parse("--quick").effort, QUICK_EFFORT);
    assert.deepEqual(parse("--quick", "--reps=5").effort, { ...QUICK_EFFORT, repetitions: 5 });
  });

  it("suggests the nearest case for each unknown one", () => {
    assert.throws(() => parseOptions(["--cases", "f100,lateny"]), {
      message:
        '`--cases`: got "f100"; expected a known case (did you mean f1000?).\n' +
        '`--cases`: got "lateny"; expected a known case (did you mean latency?).',
    });
  });

  it("describes every case", () => {
    assert.equal(parseOptions(["--help"]), undefined);
    for (const { name, group } of CASES) assert.ok(HELP.includes(`  ${name} `) && GROUPS.includes(group));
  });
});
