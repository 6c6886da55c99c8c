import assert from "node:assert/strict";

import { CASES, FULL_EFFORT, GROUPS, QUICK_EFFORT } from "../../bench/cases.ts";
import { parseOptions, usage } from "../../bench/options.ts";
import { UsageError } from "../../cli/options.ts";
import type { Options } from "../../bench/options.ts";

function parse(...args: string[]): Options {
  const options = parseOptions(args);
  assert.notEqual(options, "help");
  return options as Options;
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
  it("measures everything when it says nothing", () => {
    assert.deepEqual(parse(), { cases: CASES, effort: FULL_EFFORT, peers: false, json: undefined });
  });

  it("chooses cases by name and by group, in their own order", () => {
    const names = parse("--cases", "resume,echo64,latency").cases.map(({ name }) => name);
    assert.deepEqual(names, ["echo64", "half", "over10", "over60", "resume"]);
  });

  it("takes the repetitions of --reps, --quick or not", () => {
    assert.deepEqual(parse("--quick").effort, QUICK_EFFORT);
    assert.deepEqual(parse("--quick", "--reps=5").effort, { ...QUICK_EFFORT, repetitions: 5 });
  });

  it("names the nearest word for each that it does not know", () => {
    // Whether `x` was meant as a value, nobody knows.
    assert.equal(problems("--case", "x"), "--case is not an option; did you mean --cases?");
    assert.equal(problems("--pers", "x"), "--pers is not an option; did you mean --peers?");
    assert.equal(
      problems("--cases", "f100,lateny"),
      '"f100" is not a case; did you mean f1000?\n"lateny" is not a case; did you mean latency?',
    );
    assert.equal(
      problems("quick", "x", "--cases", "echo"),
      '"quick" is not an option; did you mean --quick?\n' +
        '"x" is not an option; there are --cases, --reps, --quick, --peers, --json, --help.\n' +
        '"echo" is not a case; did you mean echo64?',
    );
  });

  it("says what is wrong with a value", () => {
    assert.equal(problems("--reps", "0"), '--reps is "0", and must be a whole number from 1 to 100.');
    assert.equal(problems("--json"), "--json needs a value.");
    assert.equal(problems("--json", "--quick"), "--json needs a value.");
    assert.equal(problems("--reps", "-1"), '--reps is "-1", and must be a whole number from 1 to 100.');
    assert.equal(problems("--quick=yes"), "--quick takes no value.");
  });

  it("explains every option and every case", () => {
    assert.equal(parseOptions(["--help"]), "help");
    for (const { name, group } of CASES) assert.ok(usage().includes(`  ${name} `) && GROUPS.includes(group));
  });
});
