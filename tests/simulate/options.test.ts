import assert from "node:assert/strict";
import { parseOptions } from "../../simulate/options.ts";

describe("the command line of npm run simulate", () => {
  it("has one stack, or two for a comparison", () => {
    const sidesOf = (...args: readonly string[]) => parseOptions(args)?.sides;
    assert.deepEqual(sidesOf(), [{ stack: undefined, config: {} }]);
    assert.deepEqual(sidesOf("--stack", "prod", "-c", "maxTasks=9", "--compare", "dev"), [
      { stack: "prod", config: { maxTasks: "9" } },
      { stack: "dev", config: { maxTasks: "9" } },
    ]);
    assert.deepEqual(sidesOf("-c", "a=1", "--compare", "a=2", "--compare", "b=c=d"), [
      { stack: undefined, config: { a: "1" } },
      { stack: undefined, config: { a: "2", b: "c=d" } },
    ]);
  });

  it("has a built-in load with a peak, or a file", () => {
    const loadOf = (...args: readonly string[]) => parseOptions(args)?.load;
    assert.deepEqual(loadOf(), { profile: "office-day", peak: undefined });
    assert.deepEqual(loadOf("--load", "slow-growth", "--peak", "7"), { profile: "slow-growth", peak: 7 });
    assert.deepEqual(loadOf("--load", "day.csv"), { file: "day.csv" });
  });

  it("is refused with everything that is wrong", () => {
    const problems = [
      [
        ["--load", "ofice-day"],
        '`--load`: got "ofice-day"; expected a known load (did you mean office-day?).',
      ],
      [
        ["--load", "a.csv", "--peak", "5"],
        "`--peak`: got 5; expected no value, because the file has its own counts.",
      ],
      [["--peak", "0"], '`--peak`: got "0"; expected a whole number of connections from 1 to 100000000.'],
      [["-c", "maxTasks"], '`--config`: got "maxTasks"; expected KEY=VALUE.'],
      [
        ["--compare", "dev", "--compare", "prod"],
        '`--compare`: got "dev prod"; expected at most one other stack.',
      ],
      [["prod"], "`prod`: got an unknown argument; expected an option (did you mean --stack prod?)."],
    ] as const;
    for (const [args, message] of problems) assert.throws(() => parseOptions(args), { message });
    assert.throws(() => parseOptions(["--peak", "x", "-c", "y"]), /--config.*\n.*--peak/);
  });
});
