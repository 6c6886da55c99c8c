import assert from "node:assert/strict";
import { LocalWorkspace, PulumiCommand } from "@pulumi/pulumi/automation/index.js";
import type { OpType } from "@pulumi/pulumi/automation/index.js";
import { runProgram } from "../../infra/program.ts";
import { cliRoot, needCli } from "./support/cli.ts";
import { Project } from "./support/project.ts";

/** Four commands that start the engine, which can take long on a busy machine. */
const COMMANDS_TIMEOUT_MS = 180_000;

describe("the Automation API", function () {
  this.timeout(COMMANDS_TIMEOUT_MS);

  let project: Project | undefined;

  before(function () {
    needCli(this);
    project = new Project();
  });

  after(() => {
    project?.close();
  });

  it("creates and destroys a stack from an inline program, with the stack file of the repository", async () => {
    assert.ok(project);
    const stack = await LocalWorkspace.createOrSelectStack(
      { stackName: "dev", projectName: "websocket", program: async () => ({ ...(await runProgram()) }) },
      {
        workDir: project.folder,
        envVars: { ...(await project.attached()) },
        pulumiCommand: await PulumiCommand.get({ root: cliRoot() }),
      },
    );

    const { changeSummary } = await stack.preview();
    assert.deepEqual(Object.keys(changeSummary), ["create"] satisfies OpType[]);

    const { outputs, summary } = await stack.up();
    assert.deepEqual(Object.keys(summary.resourceChanges ?? {}), ["create"]);
    assert.match(String(outputs["websocketUrl"]?.value), /^wss:\/\/\w+\.cloudfront\.net\/wss$/);
    assert.ok(Object.values(outputs).every(({ secret }) => !secret));

    await stack.destroy();
    // The library does not declare the type of a deployment.
    const { resources = [] } = (await stack.exportStack()).deployment as { resources?: unknown[] };
    assert.deepEqual(resources, []);
  });
});
