/** A stack in an existing VPC and cluster, with rules on an existing listener. */
import assert from "node:assert/strict";
import { atSuiteEnd } from "../support/atSuiteEnd.ts";
import { needCli } from "./support/cli.ts";
import { Project } from "./support/project.ts";
import { updateAndReturnChanges } from "./support/transition.ts";
import {
  CLUSTER,
  LISTENER,
  LISTENER_RULE,
  LOAD_BALANCER,
  REPOSITORY,
  SERVICE,
  TARGET_GROUP,
} from "./support/types.ts";

/** A command starts the engine, the program and up to four providers, which can take long on a busy machine. */
const COMMAND_TIMEOUT_MS = 120_000;

const listenerOf = (loadBalancer: string): string =>
  `arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/${loadBalancer}/0123456789abcdef/fedcba9876543210`;

const CONFIG = {
  vpcId: "vpc-0123456789abcdef0",
  privateSubnetIds: ["subnet-0123456789abcdef2", "subnet-0123456789abcdef3"],
  clusterArn: "arn:aws:ecs:us-east-1:123456789012:cluster/shared",
  listenerArn: listenerOf("first"),
  listenerRulePriority: "200",
  logGroupName: "/shared/tasks",
  repositoryName: "shared/images",
};

/** Types that belong to others. */
const OF_OTHERS = [
  "aws:ec2/vpc:Vpc",
  "aws:ec2/flowLog:FlowLog",
  LOAD_BALANCER,
  LISTENER,
  CLUSTER,
  "aws:cloudwatch/logGroup:LogGroup",
  REPOSITORY,
];

describe("existing infrastructure in the real Pulumi engine", function () {
  this.timeout(COMMAND_TIMEOUT_MS);
  let project: Project;

  before(async function () {
    needCli(this);
    this.timeout(3 * COMMAND_TIMEOUT_MS);
    project = new Project();
    atSuiteEnd(this, () => {
      project.close();
    });
    await project.pulumi("stack", "init", "dev");
    project.configure("dev", CONFIG);
    await project.pulumi("preview");
    assert.deepEqual(project.cloud.changes(), []);
  });

  it("is used, and not changed", async () => {
    const created = await updateAndReturnChanges(project);

    assert.ok(created.every(({ method }) => method === "create"));
    for (const type of OF_OTHERS) assert.ok(!created.some((call) => call.type === type), type);
    const service = created.find(({ type }) => type === SERVICE)?.inputs;
    assert.equal(service?.["cluster"], CONFIG.clusterArn);
    assert.deepEqual(service["networkConfiguration"], {
      assignPublicIp: false,
      securityGroups: (service["networkConfiguration"] as { securityGroups: unknown }).securityGroups,
      subnets: CONFIG.privateSubnetIds,
    });
    await project.pulumi("preview", "--expect-no-changes");
  });

  it("has both rules of a rotation until CloudFront has the new secret", async () => {
    project.configure("dev", { originSecretGeneration: "2" });
    const calls = await updateAndReturnChanges(project);

    const order = calls
      .filter(({ type }) => type === LISTENER_RULE || type.endsWith(":Distribution"))
      .map(({ method, name }) => `${method} ${name}`);
    assert.deepEqual(order, [
      "create websocket-shared-X-Origin-Secret-2",
      "update websocket-edge",
      "delete websocket-shared-X-Origin-Secret-1",
    ]);
  });

  // AWS gives the new target group another ARN, and the service is then replaced with it. The stand-in gives it the same one.
  it("gets another target group for the listener of another load balancer", async () => {
    project.configure("dev", { listenerArn: listenerOf("second") });
    const calls = await updateAndReturnChanges(project);

    const order = calls
      .filter(({ type }) => [TARGET_GROUP, LISTENER_RULE].includes(type) || type.endsWith(":Distribution"))
      .map(({ method, name }) => `${method} ${name}`);
    assert.deepEqual(order.slice(0, 3), [
      "create websocket-shared",
      "create websocket-shared-X-Origin-Secret-2",
      "update websocket-edge",
    ]);
    assert.deepEqual(order.slice(3).toSorted(), [
      "delete websocket-shared",
      "delete websocket-shared-X-Origin-Secret-2",
    ]);
  });
});
