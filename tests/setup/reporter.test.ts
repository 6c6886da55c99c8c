/** The last line of `npm test`: the counts, and what was left out with the command that adds it. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const SUPPORT = path.resolve(import.meta.dirname, "../support");
const MOCHA = path.resolve(import.meta.dirname, "../../node_modules/mocha/bin/mocha.js");

const SUITE = `
import { atSuiteEnd } from ${JSON.stringify(path.join(SUPPORT, "atSuiteEnd.ts"))};
import { leaveOut } from ${JSON.stringify(path.join(SUPPORT, "leaveOut.ts"))};
it("passes", () => {});
describe("skipped", () => {
  before(function () {
    if (process.env.HAS_TOOL !== "yes") leaveOut(this, { program: "a tool", fix: "install a-tool" });
    atSuiteEnd(this, () => console.log("closed"));
  });
  it("uses the tool", () => {});
});
`;

describe("the test report", () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "reporter-"));
    writeFileSync(path.join(folder, "suite.test.mjs"), SUITE);
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  function report(
    env: NodeJS.ProcessEnv,
    ...options: readonly string[]
  ): { readonly status: number | null; readonly lines: readonly string[] } {
    const { status, stdout } = spawnSync(
      process.execPath,
      [MOCHA, "--no-config", "--reporter", path.join(SUPPORT, "reporter.ts"), ...options, "suite.test.mjs"],
      {
        cwd: folder,
        encoding: "utf8",
        env: { ...process.env, npm_lifecycle_event: "", CI: "false", ...env },
      },
    );
    return { status, lines: stdout.trimEnd().split("\n") };
  }

  for (const options of [[], ["--parallel"]]) {
    it(`names missing programs and the commands that install them ${options.join("")}`.trim(), () => {
      const { status, lines } = report({}, ...options);
      assert.equal(lines.at(-1), "1 passed, 0 failed, 1 skipped. Left out: a tool: `install a-tool`");
      assert.equal(status, 0);
      assert.ok(!lines.includes("closed"));
    });
  }

  it("names the tests that `npm test` leaves to `npm run test:all`", () => {
    const { lines } = report({ npm_lifecycle_event: "test", HAS_TOOL: "yes" });
    assert.match(
      lines.at(-1) ?? "",
      /^2 passed, 0 failed\. Left out: app, .*, setup, .*: `npm run test:all`$/,
    );
  });

  it("counts a failure instead of a skipped test in CI", () => {
    const { status, lines } = report({ CI: "true" });
    assert.equal(lines.at(-1), "1 passed, 1 failed");
    assert.equal(status, 1);
  });

  it("has only the counts when nothing was left out, and closes what was opened", () => {
    const { lines } = report({ HAS_TOOL: "yes" });
    assert.equal(lines.at(-1), "2 passed, 0 failed");
    assert.ok(lines.includes("closed"));
  });
});
