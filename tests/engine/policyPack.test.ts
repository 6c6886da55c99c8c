/** The pack in the real Pulumi CLI: `--policy-pack policy`, on the program as it is and on programs with mistakes. */
import assert from "node:assert/strict";
import { breakProgram, edit } from "../policy/brokenProgram.ts";
import { needCli } from "./support/cli.ts";
import { Project } from "./support/project.ts";

const POLICY_PACK = ["--policy-pack", "policy"] as const;
const PASSED = /✅ websocket@v[\d.]+ \(local: policy\)/;
const FINDING = /\[(mandatory|advisory)\]/;

/** An update is a preview, the update, and a pack for each: seconds, and on a busy machine many. */
const TIMEOUT_MS = 240_000;

describe("the policy pack in the real Pulumi CLI", function () {
  this.timeout(TIMEOUT_MS);

  let project: Project;

  before(function () {
    needCli(this);
  });

  beforeEach(() => {
    project = new Project();
  });

  afterEach(() => {
    project.close();
  });

  it("passes an update of dev, in the preview and after the update", async () => {
    await project.pulumi("stack", "init", "dev");
    const update = await project.pulumi("up", "--yes", ...POLICY_PACK);

    assert.equal(update.split(PASSED).length - 1, 2);
    assert.doesNotMatch(update, FINDING);
  });

  it("fails a preview and prints each finding with its resource, reason and fix", async () => {
    breakProgram(project.folder);
    await project.pulumi("stack", "init", "dev");
    const { code, stdout } = await project.run("preview", ...POLICY_PACK);

    assert.notEqual(code, 0);
    assert.match(stdout, /\[mandatory\] +ELB2 +\(aws:lb:LoadBalancer: websocket\)/);
    assert.match(stdout, /Load balancers keep access logs\.\s+websocket: access logs are off\./);
    assert.match(stdout, /Why: They show which client requested what, and the response\./);
    assert.match(stdout, /Fix: Set `accessLogs` with a bucket/);
    assert.match(stdout, /\[mandatory\] +S2 +\(aws:s3:Bucket: websocket-logs-bucket\)/);
    assert.match(stdout, /ignorePublicAcls is off/);
    assert.match(
      stdout,
      /\[mandatory\] +SUPPRESSIONS[^]+CFR1 has no finding at websocket:infra:Distribution\$/,
    );
  });

  it("fails an update before it creates a resource with a finding", async () => {
    // The policy contains the ARN of the log group, so it is unknown in a preview.
    edit(
      project.folder,
      "infra/components/tasks/taskRoles.ts",
      'allow(["logs:CreateLogStream", "logs:PutLogEvents"],',
      'allow(["logs:*"],',
    );
    await project.pulumi("stack", "init", "dev");
    const { code, stdout } = await project.run("up", "--yes", ...POLICY_PACK);

    assert.notEqual(code, 0);
    assert.match(stdout, PASSED);
    assert.match(
      stdout,
      /\[mandatory\] +IAM5[^]+websocket-service-execution-policy: logs:\* is a wildcard\./,
    );
    const created = project.cloud.changes().map(({ type, name }) => `${type} ${name}`);
    assert.ok(created.includes("aws:cloudwatch/logGroup:LogGroup websocket-service-log"));
    assert.ok(!created.includes("aws:iam/rolePolicy:RolePolicy websocket-service-execution-policy"));
  });
});
