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

describe("the report of the tests", () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "reporter-"));
    writeFileSync(path.join(folder, "suite.test.mjs"), SUITE);
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  function report(env: NodeJS.ProcessEnv): {
    readonly status: number | null;
    readonly lines: readonly string[];
  } {
    const { status, stdout } = spawnSync(
      process.execPath,
      [MOCHA, "--no-config", "--reporter", path.join(SUPPORT, "reporter.ts"), "suite.test.mjs"],
      { cwd: folder, encoding: "utf8", env: { ...process.env, ...env } },
    );
    return { status, lines: stdout.trimEnd().split("\n") };
  }

  it("ends with what was left out, and the command that adds it", () => {
    const { status, lines } = report({ CI: "false" });
    assert.equal(lines.at(-1), "1 passed, 0 failed, 1 skipped for lack of a tool: `install a-tool`");
    assert.equal(status, 0);
    assert.ok(!lines.includes("closed"));
  });

  it("fails in CI instead of leaving out", () => {
    const { status, lines } = report({ CI: "true" });
    assert.equal(lines.at(-1), "1 passed, 1 failed");
    assert.equal(status, 1);
  });

  it("ends with the counts alone when nothing was left out, and closes what was made", () => {
    const { lines } = report({ HAS_TOOL: "yes" });
    assert.equal(lines.at(-1), "2 passed, 0 failed");
    assert.ok(lines.includes("closed"));
  });
});
