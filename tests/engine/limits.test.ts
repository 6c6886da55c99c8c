import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { AWS_LIMITS } from "../../policy/limits/awsLimits.ts";
import { atSuiteEnd } from "../support/atSuiteEnd.ts";
import { BROKEN_PROGRAM } from "./support/brokenProgram.ts";
import { needCli } from "./support/cli.ts";
import { Project } from "./support/project.ts";

/** A type whose properties are all known in the first preview. */
const TYPE = "aws:lb/targetGroup:TargetGroup";

/** A preview takes seconds, and on a busy machine many. */
const TIMEOUT_MS = 180_000;

describe("a preview with values that AWS rejects", function () {
  this.timeout(TIMEOUT_MS);

  let project: Project;

  before(function () {
    needCli(this);
    project = new Project();
    atSuiteEnd(this, () => {
      project.close();
    });
  });

  it("fails and reports every such value of a resource", async () => {
    const limits = AWS_LIMITS.filter(({ type }) => type === TYPE);
    const values = limits.map(({ path, invalid: [value] }) => [path, value]);
    writeFileSync(join(project.folder, "broken.json"), JSON.stringify({ type: TYPE, values }));
    writeFileSync(join(project.folder, "index.ts"), BROKEN_PROGRAM);
    await project.pulumi("stack", "init", "dev");
    const { code, stdout } = await project.run("preview");

    assert.notEqual(code, 0);
    assert.ok(limits.length > 0);
    for (const { path } of limits) {
      assert.ok(stdout.includes(`${TYPE} resource 'websocket': property ${path} value`), path);
    }
  });
});
