import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { needCli } from "./support/cli.ts";
import type { Call } from "./support/cloud.ts";
import { Project } from "./support/project.ts";

/** A command starts the engine, the program and up to four providers: seconds, and on a busy machine many. */
const COMMAND_TIMEOUT_MS = 60_000;

const DISTRIBUTION = "aws:cloudfront/distribution:Distribution";
const IMAGE = "docker-build:index:Image";
const LISTENER_RULE = "aws:lb/listenerRule:ListenerRule";
const POLICY = "aws:appautoscaling/policy:Policy";
const SCALABLE_TARGET = "aws:appautoscaling/target:Target";
const SERVICE = "aws:ecs/service:Service";
const SERVERLESS_CACHE = "aws:elasticache/serverlessCache:ServerlessCache";
const TASK_DEFINITION = "aws:ecs/taskDefinition:TaskDefinition";
const USER = "aws:elasticache/user:User";

describe("the real Pulumi engine", function () {
  this.timeout(COMMAND_TIMEOUT_MS);

  before(function () {
    needCli(this);
  });

  describe("with an unusable configuration", () => {
    let project: Project;

    beforeEach(async () => {
      project = await projectOf("dev");
    });

    afterEach(() => {
      project.close();
    });

    it("refuses a value of the wrong type before it runs the program", async () => {
      await set(project, "requestsPerTarget", "many");
      const { code, stderr } = await project.run("preview");

      assert.notEqual(code, 0);
      assert.match(stderr, /configuration key 'requestsPerTarget' must be of type 'integer'/);
      assert.deepEqual(project.cloud.calls(), []);
    });

    it("reports every wrong key with the command that fixes it, and creates nothing", async () => {
      await set(project, "requestPerTarget", "7");
      await set(project, "minTasks", "0");
      const { code, stdout } = await project.run("up", "--yes", "--skip-preview");

      assert.notEqual(code, 0);
      assert.match(stdout, /requestPerTarget is not a key; did you mean websocket:requestsPerTarget\?/);
      assert.match(stdout, /pulumi config rm websocket:requestPerTarget --stack dev/);
      assert.match(stdout, /websocket:minTasks is "0", and must be a whole number from 1/);
      assert.doesNotMatch(stdout, /unhandled exception|at .*\.ts:\d+/);
      assert.deepEqual(project.cloud.calls(), []);
    });
  });

  // Each test goes on from the stack that the one before it left, as the life of a stack does.
  describe("with the stack dev", () => {
    let project: Project;
    /** The origin secret, as CloudFront was told it. */
    let secret = "";
    /** The backplane's password, as ElastiCache was told it. */
    let password = "";

    before(async () => {
      project = await projectOf("dev");
    });

    beforeEach(() => {
      project.cloud.forget();
    });

    after(() => {
      project.close();
    });

    it("previews it and changes nothing", async () => {
      const preview = await project.pulumi("preview");

      assert.match(preview, /aws:ecs:Service websocket-service create/);
      assert.match(preview, /\+ \d+ to create/);
      assert.deepEqual(changes(project), []);
    });

    it("creates it", async () => {
      await up(project);

      assert.ok(project.cloud.changes().every(({ method }) => method === "create"));
      assert.equal(theOnlyCall(project, "create", SERVICE).inputs?.["desiredCount"], 1);
      secret = secretHeader(theOnlyCall(project, "create", DISTRIBUTION));
      password = firstPassword(theOnlyCall(project, "create", USER));
      const task = JSON.stringify(theOnlyCall(project, "create", TASK_DEFINITION).inputs);
      assert.match(task, /rediss:\/\/websocket@backplane-[^"]+\.cache\.amazonaws\.com:6379/);
      assert.match(task, /WEBSOCKET_VALKEY_PASSWORD[^}]+arn:aws:ssm:/);
      assert.ok(!task.includes(password));
    });

    // That one thing happened to come after another proves nothing: the state says what the engine waited for.
    it("creates the service only when it is forwarded to, may start tasks, and reaches its backplane", async () => {
      const awaited = await awaitedByTheOnly(SERVICE, project);

      for (const [type, count] of [
        [LISTENER_RULE, 1],
        ["aws:iam/rolePolicy:RolePolicy", 2],
        ["aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", 3],
        ["aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", 3],
        [SERVERLESS_CACHE, 1],
        [USER, 1],
        ["aws:ssm/parameter:Parameter", 1],
      ] as const) {
        assert.equal(awaited.filter((urn) => urn.includes(type)).length, count, type);
      }
    });

    it("lets the rule accept a header before the distribution sends it", async () => {
      const awaited = await awaitedByTheOnly(DISTRIBUTION, project);

      assert.ok(awaited.some((urn) => urn.includes(LISTENER_RULE)));
    });

    it("outputs where clients connect, and no secret", async () => {
      const json = await project.pulumi("stack", "output", "--json", "--show-secrets");
      const outputs = JSON.parse(json) as Readonly<Record<string, string>>;

      assert.deepEqual(Object.keys(outputs).sort(), [
        "clusterName",
        "distributionDomainName",
        "imageUri",
        "loadBalancerDnsName",
        "serviceName",
        "websocketUrl",
      ]);
      assert.equal(outputs["websocketUrl"], `wss://${outputs["distributionDomainName"] ?? ""}/wss`);
    });

    it("keeps the origin secret and the backplane's password out of all that it prints and stores", async () => {
      await project.pulumi("stack", "export");

      for (const value of [secret, password]) {
        assert.match(value, /^[0-9A-Za-z]{32,}$/);
        assert.ok(!project.transcript.includes(value), "printed");
        assert.ok(!project.written().includes(value), "stored");
      }
      // The state does have them, encrypted: the search above looked for the right values.
      const revealed = await project.pulumi("stack", "export", "--show-secrets");
      for (const value of [secret, password]) assert.ok(revealed.includes(value));
    });

    it("sees no change when nothing has changed", async () => {
      await project.pulumi("preview", "--expect-no-changes");
    });

    it("changes the scaling policy in place, and nothing else, with requestsPerTarget", async () => {
      await set(project, "requestsPerTarget", "7");
      await up(project);

      assert.deepEqual(changes(project), [`update ${POLICY} targetTrackingScalingPolicyConfiguration`]);
    });

    it("leaves the running tasks alone when minTasks changes", async () => {
      await set(project, "minTasks", "2");
      await up(project);

      assert.deepEqual(changes(project), [`update ${SCALABLE_TARGET} minCapacity`]);
    });

    it("keeps the number of tasks that the autoscaler chose when the task definition changes", async () => {
      project.cloud.setDrift(SERVICE, { desiredCount: 4 });
      await project.pulumi("refresh", "--yes", "--skip-preview");
      await set(project, "stopTimeoutSeconds", "45");
      await up(project);

      assert.deepEqual(changes(project), [
        `create ${TASK_DEFINITION}`,
        `delete ${TASK_DEFINITION}`,
        `update ${SERVICE} taskDefinition`,
      ]);
      assert.equal(theOnlyCall(project, "update", SERVICE).inputs?.["desiredCount"], 4);
    });

    it("does not touch the distribution because CloudFront answers with another TLS version", async () => {
      project.cloud.setDrift(DISTRIBUTION, {
        viewerCertificate: { cloudfrontDefaultCertificate: true, minimumProtocolVersion: "TLSv1" },
      });
      await project.pulumi("refresh", "--yes", "--skip-preview");
      await project.pulumi("preview", "--expect-no-changes");
    });

    it("raises the backplane's limits in place, and touches no task", async () => {
      await set(project, "backplaneMaxGB", "2");
      await up(project);

      assert.deepEqual(changes(project), [`update ${SERVERLESS_CACHE} cacheUsageLimits`]);
    });

    it("deploys changed content, and content that comes back, without losing an image", async () => {
      const file = join(project.folder, "console", "extra.txt");
      writeFileSync(file, "new content");
      await up(project);
      rmSync(file);
      await up(project);

      const tags = project.cloud.pushedTags();
      assert.equal(new Set(tags).size, 3);
      const [first, second, third] = tags.map((tag) => tag.replace(/-\w+$/, ""));
      assert.equal(first, third);
      assert.notEqual(first, second);
      assert.ok(!project.cloud.changes().some(({ method, type }) => method === "delete" && type === IMAGE));
    });

    it("destroys everything; the image goes with its repository", async () => {
      const existing = await resources(project);
      await destroy(project);

      assert.deepEqual(notDeleted(existing, project), [IMAGE]);
      assert.deepEqual(await resources(project), []);
    });
  });

  describe("with the stack prod", () => {
    let project: Project;

    before(async () => {
      project = await projectOf("prod");
    });

    after(() => {
      project.close();
    });

    it("previews it and creates it with two tasks", async () => {
      const output = await project.pulumi("up", "--yes");

      assert.match(output, /Previewing update \(prod\)/);
      assert.equal(theOnlyCall(project, "create", SERVICE).inputs?.["desiredCount"], 2);
    });

    it("destroys it, and leaves logs and images", async () => {
      const existing = await resources(project);
      await destroy(project);

      assert.deepEqual(notDeleted(existing, project), [
        "aws:cloudwatch/logGroup:LogGroup",
        "aws:ecr/lifecyclePolicy:LifecyclePolicy",
        "aws:ecr/repository:Repository",
        "aws:s3/bucket:Bucket",
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        "aws:s3/bucketPolicy:BucketPolicy",
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        IMAGE,
      ]);
    });
  });
});

async function projectOf(stack: string): Promise<Project> {
  const project = new Project();
  await project.pulumi("stack", "init", stack);
  return project;
}

function set(project: Project, key: string, value: string): Promise<string> {
  return project.pulumi("config", "set", `websocket:${key}`, value);
}

function up(project: Project): Promise<string> {
  return project.pulumi("up", "--yes", "--skip-preview");
}

function destroy(project: Project): Promise<string> {
  return project.pulumi("destroy", "--yes", "--skip-preview");
}

/** What was changed, as `METHOD TYPE CHANGED-INPUT…`, sorted: what does not depend on one another runs in any order. */
function changes(project: Project): readonly string[] {
  return project.cloud
    .changes()
    .map(({ method, type, changed = [] }) => [method, type, ...changed].join(" "))
    .sort();
}

function theOnlyCall(project: Project, method: Call["method"], type: string): Call {
  const calls = project.cloud.calls().filter((call) => call.method === method && call.type === type);
  const [call] = calls;
  assert.ok(call !== undefined && calls.length === 1, `${calls.length} calls to ${method} ${type}`);
  return call;
}

/** The value of the header that CloudFront sends to the load balancer. */
function secretHeader({ inputs }: Call): string {
  const [, value = ""] =
    /"customHeaders":\[\{"name":"[^"]+","value":"([^"]+)"/.exec(JSON.stringify(inputs)) ?? [];
  return value;
}

/** The password that the backplane's user may come with. */
function firstPassword({ inputs }: Call): string {
  const [, value = ""] = /"passwords":\["([^"]+)"/.exec(JSON.stringify(inputs)) ?? [];
  return value;
}

interface Resource {
  readonly urn: string;
  readonly type: string;
  readonly custom: boolean;
  /** URNs of what the engine creates before it and deletes after it. */
  readonly dependencies?: readonly string[];
}

/** What the providers hold for the stack, as far as its state knows. */
async function resources(project: Project): Promise<readonly Resource[]> {
  const { deployment } = JSON.parse(await project.pulumi("stack", "export")) as {
    deployment: { resources?: readonly Resource[] };
  };
  return (deployment.resources ?? []).filter(({ type, custom }) => custom && !type.startsWith("pulumi:"));
}

/** URNs of the resources that exist before the only one of its type is created, and after it is deleted. */
async function awaitedByTheOnly(type: string, project: Project): Promise<readonly string[]> {
  const existing = new Map((await resources(project)).map((resource) => [resource.urn, resource]));
  const awaited = new Set<string>();
  const follow = (urn: string): void => {
    for (const dependency of existing.get(urn)?.dependencies ?? []) {
      if (awaited.has(dependency)) continue;
      awaited.add(dependency);
      follow(dependency);
    }
  };
  for (const { urn } of [...existing.values()].filter((resource) => resource.type === type)) follow(urn);
  return [...awaited];
}

/** The types of the existing resources that were never deleted, sorted. */
function notDeleted(existing: readonly Resource[], project: Project): readonly string[] {
  const deleted = project.cloud.calls().filter(({ method }) => method === "delete");
  return existing
    .filter(({ urn, type }) => !deleted.some((call) => call.type === type && urn.endsWith(`::${call.name}`)))
    .map(({ type }) => type)
    .sort();
}
