import assert from "node:assert/strict";
import { DEFAULT_SMOKE_TIMEOUT_SECONDS, parseOptions } from "../../deploy/options.ts";

const HOUR_MS = 3_600_000;

describe("the options of deploy", () => {
  function errorOf(...args: readonly string[]): string {
    try {
      parseOptions(args);
    } catch (error) {
      return error instanceof Error ? error.message : "";
    }
    return assert.fail(`${args.join(" ")} was accepted`);
  }

  it("include a command and a stack", () => {
    assert.deepEqual(parseOptions(["up", "dev"]), {
      command: "up",
      stack: "dev",
      yes: false,
      refresh: false,
      policy: true,
      smoke: true,
      smokeTimeoutSeconds: DEFAULT_SMOKE_TIMEOUT_SECONDS,
      ephemeral: undefined,
      expectNoChanges: false,
      markdown: undefined,
      json: false,
    });
  });

  it("include sweep without a stack, and help with any command", () => {
    assert.equal(parseOptions(["sweep", "--yes"])?.stack, "");
    assert.equal(parseOptions(["--help"]), undefined);
    assert.equal(parseOptions(["up", "-h"]), undefined);
  });

  it("accept minutes, hours and days", () => {
    for (const [text, hours] of [
      ["90m", 1.5],
      ["24h", 24],
      ["7d", 168],
    ] as const) {
      const options = parseOptions(["up", "pr-1", "--from", "dev", "--expires", text]);
      assert.deepEqual(options?.ephemeral, { from: "dev", lifetimeMs: hours * HOUR_MS });
    }
  });

  it("are reported if they are wrong", () => {
    for (const [line, problem] of [
      ["upp dev", '`COMMAND`: got "upp"; expected a known command (did you mean up?).'],
      ["", "`COMMAND`: got nothing; expected one of up, preview, refresh"],
      ["up dev --yess", "`--yess`: got an unknown option; expected a known option (did you mean --yes?)."],
      [
        "preview dev --zzzzzz",
        "`--zzzzzz`: got an unknown option; expected one of --refresh, --no-policy, --ex",
      ],
      // The next word may be its value.
      ["--markdwn summary.md preview dev", "`--markdwn`: got an unknown option; expected a known option"],
      ["preview dev --yes", "`--yes`: got an option that preview does not have; expected one of --refresh, "],
      ["sweep dev", '`STACK`: got "dev"; expected no stack, because sweep processes all stacks.'],
      ["up dev prod", "`prod`: got another argument; expected one stack."],
      ["up", "`STACK`: got nothing; expected a stack, such as `npm run deploy -- up dev`."],
      ...["a/b/c/d", "a//b", "/a", "a\u00a0b"].map(
        (stack) =>
          [`up ${stack}`, `\`STACK\`: got ${JSON.stringify(stack)}; expected STACK, ORG/STACK or`] as const,
      ),
      ["up x --from dev", "`--expires`: got nothing; expected a value such as 24h, which --from requires."],
      ["up x --expires 1h", "`--from`: got nothing; expected a value such as dev, which --expires requires."],
      ["up dev --from dev --expires 1h", "`--from`: got dev; expected another stack."],
      ["up acme/websocket/dev --from dev --expires 1h", "`--from`: got dev; expected another stack."],
      ...["tomorrow", "0h", "31d", "1.5h"].map(
        (time) =>
          [
            `up x --from dev --expires ${time}`,
            `\`--expires\`: got "${time}"; expected minutes, hours or days such as 90m`,
          ] as const,
      ),
      [
        "smoke dev --smoke-timeout 0",
        '`--smoke-timeout`: got "0"; expected a whole number of seconds from 1 to 3600.',
      ],
    ] as const) {
      const [first = "", ...others] = errorOf(...line.split(" ").filter((word) => word !== "")).split("\n");
      assert.ok(first.startsWith(problem), first);
      assert.deepEqual(others, []);
    }
  });

  it("accept a stack with its organization and project", () => {
    for (const stack of ["dev", "acme/dev", "acme/websocket/dev"])
      assert.equal(parseOptions(["preview", stack])?.stack, stack);
  });
});
