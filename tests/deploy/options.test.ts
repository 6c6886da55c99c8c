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

  it("suggest the nearest command and option", () => {
    assert.match(errorOf("upp", "dev"), /"upp" is not a command; did you mean up\?/);
    assert.match(errorOf(), /The command is missing; expected up, preview, refresh/);
    assert.match(errorOf("up", "dev", "--yess"), /--yess is not an option; did you mean --yes\?/);
    assert.match(
      errorOf("preview", "dev", "--zzzzzz"),
      /there are --refresh, --no-policy, --expect-no-changes, --markdown, --help/,
    );
  });

  it("report a wrong option alone, because the next word may be its value", () => {
    assert.equal(
      errorOf("up", "dev", "--smok-timeout", "60"),
      "--smok-timeout is not an option; did you mean --smoke-timeout?",
    );
    assert.equal(
      errorOf("--markdwn", "summary.md", "preview", "dev"),
      "--markdwn is not an option; did you mean --markdown?",
    );
  });

  it("reject options and words that a command does not use", () => {
    assert.match(errorOf("preview", "dev", "--yes"), /--yes is not an option of preview; expected --refresh/);
    assert.match(errorOf("sweep", "dev"), /sweep takes no stack/);
    assert.match(errorOf("up", "dev", "prod"), /"prod" is one word too many/);
    assert.match(errorOf("up", "dev", "--yes=no"), /--yes takes no value/);
  });

  it("accept a stack with its organization and project", () => {
    for (const stack of ["dev", "acme/dev", "acme/websocket/dev"])
      assert.equal(parseOptions(["preview", stack])?.stack, stack);
    assert.match(
      errorOf("up", "acme/websocket/dev", "--from", "dev", "--expires", "1h"),
      /`--from`: got dev; expected another stack/,
    );
  });

  it("report missing and wrong values with the expected ones", () => {
    assert.match(errorOf("up"), /The stack is missing; for example `npm run deploy -- up dev`/);
    for (const wrong of ["a/b/c/d", "a//b", "/a", "a b"])
      assert.match(errorOf("up", wrong), /expected STACK, ORG\/STACK or ORG\/PROJECT\/STACK/);
    assert.match(errorOf("preview", "dev", "--markdown"), /--markdown needs a value/);
    assert.match(errorOf("preview", "dev", "--markdown", "--refresh"), /--markdown needs a value/);
    assert.match(errorOf("up", "x", "--from", "dev"), /--from and --expires require each other/);
    assert.match(
      errorOf("up", "dev", "--from", "dev", "--expires", "1h"),
      /`--from`: got dev; expected another stack/,
    );
    for (const wrong of ["tomorrow", "0h", "31d", "1.5h"]) {
      assert.match(
        errorOf("up", "x", "--from", "dev", "--expires", wrong),
        /minutes, hours or days such as 90m/,
      );
    }
    assert.match(
      errorOf("smoke", "dev", "--smoke-timeout", "0"),
      /`--smoke-timeout`: got "0"; .* from 1 to 3600/,
    );
  });
});
