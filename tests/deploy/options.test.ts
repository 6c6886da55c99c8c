import assert from "node:assert/strict";
import { DEFAULT_SMOKE_TIMEOUT_SECONDS, parseOptions } from "../../deploy/options.ts";

const HOUR_MS = 3_600_000;

describe("the options of deploy", () => {
  function refused(...args: readonly string[]): string {
    try {
      parseOptions(args);
    } catch (error) {
      return error instanceof Error ? error.message : "";
    }
    return assert.fail(`${args.join(" ")} was taken`);
  }

  it("takes a command and a stack", () => {
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

  it("takes sweep without a stack, and help with anything", () => {
    assert.equal(parseOptions(["sweep", "--yes"])?.stack, "");
    assert.equal(parseOptions(["--help"]), undefined);
    assert.equal(parseOptions(["up", "-h"]), undefined);
  });

  it("takes minutes, hours and days", () => {
    for (const [text, hours] of [
      ["90m", 1.5],
      ["24h", 24],
      ["7d", 168],
    ] as const) {
      const options = parseOptions(["up", "pr-1", "--from", "dev", "--expires", text]);
      assert.deepEqual(options?.ephemeral, { from: "dev", lifetimeMs: hours * HOUR_MS });
    }
  });

  it("names the nearest command and option", () => {
    assert.match(refused("upp", "dev"), /"upp" is not a command; did you mean up\?/);
    assert.match(refused(), /A command is missing; there are up, preview, refresh/);
    assert.match(refused("up", "dev", "--yess"), /--yess is not an option; did you mean --yes\?/);
    assert.match(
      refused("preview", "dev", "--zzzzzz"),
      /there are --refresh, --no-policy, --expect-no-changes, --markdown, --help/,
    );
  });

  it("complains of a wrong option alone, whose value a word may be", () => {
    assert.equal(
      refused("up", "dev", "--smok-timeout", "60"),
      "--smok-timeout is not an option; did you mean --smoke-timeout?",
    );
    assert.equal(
      refused("--markdwn", "summary.md", "preview", "dev"),
      "--markdwn is not an option; did you mean --markdown?",
    );
  });

  it("refuses what a command would ignore", () => {
    assert.match(refused("preview", "dev", "--yes"), /--yes means nothing to preview, which takes --refresh/);
    assert.match(refused("sweep", "dev"), /sweep takes no stack/);
    assert.match(refused("up", "dev", "prod"), /"prod" is one word too many/);
    assert.match(refused("up", "dev", "--yes=no"), /--yes takes no value/);
  });

  it("takes a stack with its organization and project", () => {
    for (const stack of ["dev", "acme/dev", "acme/websocket/dev"])
      assert.equal(parseOptions(["preview", stack])?.stack, stack);
    assert.match(
      refused("up", "acme/websocket/dev", "--from", "dev", "--expires", "1h"),
      /--from is dev, the stack itself/,
    );
  });

  it("says what is missing and what is allowed", () => {
    assert.match(refused("up"), /up needs a stack, such as: npm run deploy -- up dev/);
    for (const wrong of ["a/b/c/d", "a//b", "/a", "a b"])
      assert.match(
        refused("up", wrong),
        /no name of a stack; expected STACK, ORG\/STACK or ORG\/PROJECT\/STACK/,
      );
    assert.match(refused("preview", "dev", "--markdown"), /--markdown needs a value/);
    assert.match(refused("preview", "dev", "--markdown", "--refresh"), /--markdown needs a value/);
    assert.match(refused("up", "x", "--from", "dev"), /--from and --expires come together/);
    assert.match(refused("up", "dev", "--from", "dev", "--expires", "1h"), /--from is dev, the stack itself/);
    for (const wrong of ["tomorrow", "0h", "31d", "1.5h"]) {
      assert.match(
        refused("up", "x", "--from", "dev", "--expires", wrong),
        /minutes, hours or days, such as 90m/,
      );
    }
    assert.match(refused("smoke", "dev", "--smoke-timeout", "0"), /--smoke-timeout is "0".* from 1 to 3600/);
  });
});
