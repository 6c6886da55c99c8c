/** Options of the component in a program of its own. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { atSuiteEnd } from "../support/atSuiteEnd.ts";
import { needCli } from "./support/cli.ts";
import type { Call } from "./support/cloud.ts";
import { Project } from "./support/project.ts";
import { allResources } from "./support/state.ts";
import { updateAndReturnChanges } from "./support/transition.ts";

/** A command starts the engine, the program and up to four providers, which can take long on a busy machine. */
const COMMAND_TIMEOUT_MS = 120_000;

describe("the options of the component in the real Pulumi engine", function () {
  this.timeout(2 * COMMAND_TIMEOUT_MS);
  let project: Project;

  before(async function () {
    needCli(this);
    project = new Project();
    atSuiteEnd(this, () => {
      project.close();
    });
    await project.pulumi("stack", "init", "dev");
  });

  it("protect all its resources", async () => {
    await update(project, 'new WebSocketService("websocket", { access: "open" }, { protect: true });');

    const unprotected = (await allResources(project)).filter(({ protect }) => protect !== true);
    assert.deepEqual(
      unprotected.map(({ urn }) => urn).filter((urn) => urn.includes("WebSocketService")),
      [],
    );
  });

  it("keep the resources of a service with another name, if it has an alias", async () => {
    await update(project, 'new WebSocketService("websocket", { access: "open" });');

    const changes = await update(
      project,
      'new WebSocketService("chat", { access: "open" }, { aliases: [{ name: "websocket" }] });',
    );
    // The metrics of the tasks have the name of the service, so its tasks are replaced.
    assert.deepEqual(
      changes.filter(({ method }) => method !== "update").map(({ method, type }) => `${method} ${type}`),
      ["create aws:ecs/taskDefinition:TaskDefinition", "delete aws:ecs/taskDefinition:TaskDefinition"],
    );
  });
});

/** Updates the stack with a program, and returns the changes. */
async function update(project: Project, declaration: string): Promise<readonly Call[]> {
  writeFileSync(
    join(project.folder, "index.ts"),
    `import { WebSocketService } from "./infra/index.ts";\n${declaration}\n`,
  );
  return updateAndReturnChanges(project);
}
