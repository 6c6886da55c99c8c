import assert from "node:assert/strict";

import { FULL_EFFORT, GROUPS, QUICK_EFFORT } from "../../bench/case.ts";
import { CASES } from "../../bench/cases.ts";
import { type BenchOptions, HELP, parseOptions } from "../../bench/options.ts";
import { UsageError } from "../../cli/options.ts";

function parse(...args: string[]): BenchOptions {
  const options = parseOptions(args);
  assert.ok(options);
  return options;
}

function problems(...args: string[]): string {
  try {
    parseOptions(args);
  } catch (error) {
    assert.ok(error instanceof UsageError);
    return error.message;
  }
  assert.fail("The command line is legal.");
}

describe("the benchmark's command line", () => {
  it("selects all cases by default", () => {
    assert.deepEqual(parse(), { cases: CASES, effort: FULL_EFFORT, peers: false, json: undefined });
  });

  it("selects cases by name and by group, in the order of the table", () => {
    const names = parse("--cases", "resume,echo64,latency").cases.map(({ name }) => name);
    assert.deepEqual(names, ["echo64", "half", "over10", "over60", "resume"]);
  });

  it("combines --reps with --quick", () => {
    assert.deepEqual(parse("--quick").effort, QUICK_EFFORT);
    assert.deepEqual(parse("--quick", "--reps=5").effort, { ...QUICK_EFFORT, repetitions: 5 });
  });

  it("suggests the nearest word for each unknown one", () => {
    // `x` may be the value of the wrong option.
    assert.equal(problems("--case", "x"), "--case is not an option; did you mean --cases?");
    assert.equal(
      problems("quick", "--cases", "f100,lateny"),
      '"quick" is not an option; did you mean --quick?\n' +
        '"f100" is not a case; did you mean f1000?\n"lateny" is not a case; did you mean latency?',
    );
  });

  it("reports wrong values", () => {
    assert.equal(problems("--reps", "0"), '`--reps`: got "0"; expected a whole number from 1 to 100.');
    assert.equal(problems("--json", "--quick"), "--json needs a value.");
  });

  it("describes every option and every case", () => {
    assert.equal(parseOptions(["--help"]), undefined);
    for (const { name, group } of CASES) assert.ok(HELP.includes(`  ${name} `) && GROUPS.includes(group));
  });
});
