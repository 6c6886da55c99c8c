import assert from "node:assert/strict";
import { parseOptions } from "../../token/options.ts";

describe("the options of npm run token", () => {
  it("have defaults", () => {
    assert.deepEqual(parseOptions([]), {
      user: undefined,
      subscribe: [],
      publish: [],
      claims: {},
      lifetimeSeconds: 3600,
    });
  });

  it("are parsed, and can be repeated", () => {
    const args =
      "--user alice --subscribe room.* --subscribe / --publish=room.7 --claim role=admin --claim level=3 --claim tags=[1] --claim https://x.example/a=b=c --expires 90s";
    assert.deepEqual(parseOptions(args.split(" ")), {
      user: "alice",
      subscribe: ["room.*", "/"],
      publish: ["room.7"],
      claims: { role: "admin", level: 3, tags: [1], "https://x.example/a": "b=c" },
      lifetimeSeconds: 90,
    });
  });

  it("have a time in seconds, minutes, hours or days", () => {
    const seconds = ["1s", "2m", "3h", "365d"].map(
      (text) => parseOptions(["--expires", text])?.lifetimeSeconds,
    );
    assert.deepEqual(seconds, [1, 120, 10_800, 31_536_000]);
  });

  it("are refused with the expected values, all at once", () => {
    const cases: readonly (readonly [line: string, ...problems: string[]])[] = [
      ["alice", "`alice`: got an unknown argument; expected one of --user, --subscribe"],
      ["--user", "`--user`: got nothing; expected a value."],
      ["--subscribe a/b", '`--subscribe`: got "a/b"; expected 1 to 64 letters, digits'],
      ["--publish *a --publish a*b", '`--publish`: got "*a"; expected', '`--publish`: got "a*b"; expected'],
      [`--publish ${"a".repeat(65)}`, "`--publish`: got"],
      ["--claim role", '`--claim`: got "role"; expected KEY=VALUE.'],
      ["--claim sub=bob", '`--claim`: got "sub=bob"; expected another claim than iss, aud, sub'],
      [
        "--expires 0s --claim x",
        '`--claim`: got "x"',
        '`--expires`: got "0s"; expected a time from 1s to 365d',
      ],
      ["--expires 366d", '`--expires`: got "366d"'],
      ["--expires 10", '`--expires`: got "10"'],
    ];
    for (const [line, ...expected] of cases) {
      assert.throws(
        () => parseOptions(line.split(" ")),
        ({ message }: Error) => {
          const lines = message.split("\n");
          assert.equal(lines.length, expected.length, message);
          for (const [at, start] of expected.entries()) assert.ok(lines[at]?.startsWith(start), message);
          return true;
        },
      );
    }
  });
});
