/** The npm package in programs that the real Pulumi engine runs, with stand-ins for AWS. */
import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import path from "node:path";
import { needCli } from "../engine/support/cli.ts";
import { Project } from "../engine/support/project.ts";
import { CLUSTER, IMAGE, LISTENER_RULE, LOAD_BALANCER, SERVICE } from "../engine/support/types.ts";
import { text } from "../support/values.ts";
import { installProgram, PACKAGE_NAME } from "./support/installedProgram.ts";
import { readmeSnippet } from "./support/readmeSnippets.ts";

const FIXTURES = path.join(import.meta.dirname, "fixtures");

/** The build of the package, and updates of a stack: a minute, and on a busy machine many. */
const TIMEOUT_MS = 900_000;

const FINDING = /\[(?:mandatory|advisory)\]/;

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

  it("adds a service to a program of `pulumi new`, without findings of the policy pack, which does not change afterwards", async () => {
    await createProject("template");
    const pack = path.join("node_modules", PACKAGE_NAME, "policy");
    const { stdout } = await project.run("preview", "--policy-pack", pack);
    // The bucket of `pulumi new` has findings, and the service has none.
    const findings = stdout.split("\n").filter((line) => FINDING.test(line));
    assert.ok(findings.length > 0, stdout);
    for (const finding of findings) assert.match(finding, /\(aws:s3:Bucket: my-bucket\)/);

    await project.pulumi("up", "--yes", "--skip-preview");
    const outputs = JSON.parse(await project.pulumi("stack", "output", "--json")) as Readonly<
      Record<string, string>
    >;
    assert.match(outputs["websocketUrl"] ?? "", /^wss:\/\/[\w.-]+\/wss$/);
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
    appendFileSync(path.join(project.folder, "index.ts"), `\n${readmeSnippet("clusterArn: cluster.arn")}`);
    await project.pulumi("up", "--yes", "--skip-preview");

    const changes = project.cloud.changes();
    assert.deepEqual(
      changes
        .filter(({ method }) => method !== "create")
        .map(({ method, type, name }) => `${method} ${type} ${name}`),
      [],
    );
    const created = changes.map(({ type }) => type);
    for (const type of [SERVICE, LISTENER_RULE]) assert.ok(created.includes(type), type);
    for (const type of ["aws:ec2/vpc:Vpc", CLUSTER, LOAD_BALANCER]) assert.ok(!created.includes(type), type);
  });
});
