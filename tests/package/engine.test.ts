/** The npm package in programs that the real Pulumi engine runs, with stand-ins for AWS. */
import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import path from "node:path";
import { needCli } from "../engine/support/cli.ts";
import { Project } from "../engine/support/project.ts";
import { IMAGE } from "../engine/support/types.ts";
import { text } from "../support/values.ts";
import { installProgram, PACKAGE_NAME } from "./support/installedProgram.ts";
import { readmeSnippet } from "./support/readmeSnippets.ts";

const FIXTURES = path.join(import.meta.dirname, "fixtures");

/** The build of the package, and updates of a stack: a minute, and on a busy machine many. */
const TIMEOUT_MS = 600_000;

const PASSED = /✅ websocket@v[\d.]+ \(local: node_modules\/pulumi-websocket-server\/policy\)/;

describe("the npm package in the real Pulumi engine", function () {
  this.timeout(TIMEOUT_MS);

  let project: Project;

  before(function () {
    needCli(this);
  });

  afterEach(() => {
    project.close();
  });

  async function createProject(fixture: string): Promise<void> {
    project = new Project((folder) => {
      installProgram(folder, { files: path.join(FIXTURES, fixture) });
    });
    await project.pulumi("stack", "init", "dev");
  }

  it("adds a service to a program of `pulumi new`, which passes the policy pack and does not change afterwards", async () => {
    await createProject("template");
    const pack = path.join("node_modules", PACKAGE_NAME, "policy");
    const update = await project.pulumi("up", "--yes", "--skip-preview", "--policy-pack", pack);
    assert.match(update, PASSED);

    const outputs = JSON.parse(await project.pulumi("stack", "output", "--json")) as Readonly<
      Record<string, string>
    >;
    assert.match(outputs["url"] ?? "", /^wss:\/\/[\w.-]+\/wss$/);
    const [image, ...others] = project.cloud
      .calls()
      .filter(({ method, type }) => method === "create" && type === IMAGE);
    assert.deepEqual(others, []);
    // The same on every machine.
    const folder = path.posix.join("node_modules", PACKAGE_NAME);
    assert.equal(text(image?.inputs, "context.location"), folder);
    assert.equal(text(image?.inputs, "dockerfile.location"), `${folder}/app/Dockerfile`);

    await project.pulumi("preview", "--expect-no-changes");
  });

  it("adds a service to a program with a VPC, a cluster and a load balancer, and changes none of its resources", async () => {
    await createProject("existing-program");
    await project.pulumi("up", "--yes", "--skip-preview");
    project.cloud.forget();
    appendFileSync(path.join(project.folder, "index.ts"), `\n${readmeSnippet("listenerArn: https.arn")}`);
    await project.pulumi("up", "--yes", "--skip-preview");

    const changes = project.cloud.changes();
    assert.deepEqual(
      changes
        .filter(({ method }) => method !== "create")
        .map(({ method, type, name }) => `${method} ${type} ${name}`),
      [],
    );
    const created = changes.map(({ type }) => type);
    assert.ok(created.includes("aws:ecs/service:Service"));
    assert.ok(created.includes("aws:lb/listenerRule:ListenerRule"));
    for (const type of ["aws:ec2/vpc:Vpc", "aws:ecs/cluster:Cluster", "aws:lb/loadBalancer:LoadBalancer"]) {
      assert.ok(!created.includes(type), type);
    }
  });
});
