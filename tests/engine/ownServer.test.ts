/** Another server than ours in the real engine: an image of a registry, and then one that is built. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { atSuiteEnd } from "../support/atSuiteEnd.ts";
import { needCli } from "./support/cli.ts";
import { Project } from "./support/project.ts";
import { updateAndReturnChanges } from "./support/transition.ts";
import { SERVICE, TASK_DEFINITION } from "./support/types.ts";

/** A command starts the engine, the program and up to four providers, which can take long on a busy machine. */
const COMMAND_TIMEOUT_MS = 120_000;

const URI = "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/chat:v1";

describe("another server in the real Pulumi engine", function () {
  this.timeout(2 * COMMAND_TIMEOUT_MS);
  let project: Project;

  before(async function () {
    needCli(this);
    project = new Project();
    atSuiteEnd(this, () => {
      project.close();
    });
    mkdirSync(join(project.folder, "server"));
    writeFileSync(join(project.folder, "server/Dockerfile"), "FROM scratch\n");
    await project.pulumi("stack", "init", "own");
    await project.pulumi("config", "set", "aws:region", "us-east-1");
  });

  it("is deployed from a registry, with a sidecar", async () => {
    writeProgram(`{ uri: "${URI}", port: 4000 }`);
    await project.pulumi("preview");
    assert.deepEqual(project.cloud.changes(), []);

    const created = await updateAndReturnChanges(project);
    assert.ok(!created.some(({ type }) => /ecr|docker-build/.test(type)));
    const containers = String(
      created.find(({ type }) => type === TASK_DEFINITION)?.inputs?.["containerDefinitions"],
    );
    for (const part of [URI, '"containerPort":4000', '"name":"websocket-service"', '"name":"collector"']) {
      assert.ok(containers.includes(part), `${part} is in ${containers}`);
    }
    await project.pulumi("preview", "--expect-no-changes");
  });

  it("is built, and the service keeps its load balancer", async () => {
    writeProgram('{ build: { context: "./server" }, port: 4000 }');
    const calls = await updateAndReturnChanges(project);

    const types = calls.map(({ method, type }) => `${method} ${type}`);
    assert.ok(types.includes("create docker-build:index:Image"), types.join(", "));
    assert.ok(types.includes("create aws:ecr/repository:Repository"), types.join(", "));
    assert.ok(types.includes(`update ${SERVICE}`), types.join(", "));
    assert.ok(!types.some((text) => /^(?:create|delete) aws:(?:lb|cloudfront)/.test(text)), types.join(", "));
    await project.pulumi("preview", "--expect-no-changes");
  });

  function writeProgram(image: string): void {
    const program = `
import { WebSocketService } from "./infra/index.ts";

new WebSocketService("chat", { image: ${image}, sidecars: { collector: { image: "otel:1" } } });
`;
    writeFileSync(join(project.folder, "index.ts"), program);
  }
});
