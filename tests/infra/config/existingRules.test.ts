import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { checkExisting } from "../../../infra/config/rules/existingRules.ts";
import type { ExistingRuleValues } from "../../../infra/config/rules/existingRules.ts";
import { assertProblem, problemsIn } from "./support.ts";

const VPC = "vpc-0123456789abcdef0";
const subnets = (...ids: readonly number[]): string =>
  JSON.stringify(ids.map((id) => `subnet-${String(id).padStart(17, "0")}`));
const listenerIn = (region: string): string =>
  `arn:aws:elasticloadbalancing:${region}:123456789012:listener/app/shared/0123456789abcdef/fedcba9876543210`;
const clusterIn = (region: string): string => `arn:aws:ecs:${region}:123456789012:cluster/shared`;

const IN_VPC = { vpcId: VPC, publicSubnetIds: subnets(1, 2) };
const LISTENER = { ...IN_VPC, listenerArn: listenerIn("us-east-1") };
const OPEN = { edge: "load-balancer", domain: "ws.example.com" };

describe("existing infrastructure", () => {
  for (const [title, config] of [
    ["a VPC with public subnets", IN_VPC],
    ["a VPC with public and private subnets", { ...IN_VPC, privateSubnetIds: subnets(3, 4) }],
    [
      "a VPC with private subnets, behind CloudFront with a private origin",
      { vpcId: VPC, privateSubnetIds: subnets(3, 4), originAccess: "private" },
    ],
    [
      "a cluster, a log group and a repository",
      { clusterArn: clusterIn("us-east-1"), logGroupName: "/a/b", repositoryName: "a/b" },
    ],
    ["a listener for CloudFront", { ...LISTENER, listenerRulePriority: "49991" }],
    [
      "an HTTPS listener for CloudFront, without a certificate of the stack",
      { ...LISTENER, originTls: "lb.example.com" },
    ],
    ["an HTTPS listener for clients, which has the certificate", { ...LISTENER, ...OPEN }],
    [
      "a listener with one private subnet and without a cache",
      {
        vpcId: VPC,
        privateSubnetIds: subnets(3),
        listenerArn: listenerIn("us-east-1"),
        backplane: "memory",
        maxTasks: "1",
      },
    ],
    [
      "a heartbeat beyond the idle timeout of a load balancer of the stack",
      { ...LISTENER, heartbeatSeconds: "300" },
    ],
    [
      "keys without an effect on an API Gateway",
      {
        ...LISTENER,
        edge: "api-gateway",
        apiGatewayUrl: "wss://abcdef1234.execute-api.eu-west-1.amazonaws.com/prod",
      },
    ],
  ] as const) {
    it(`can be ${title}`, async () => {
      assert.deepEqual(await problemsIn(config), []);
    });
  }

  const cases: readonly (readonly [
    config: Readonly<Record<string, string>>,
    key: string,
    ...parts: string[],
  ])[] = [
    [{ vpcId: "vpc-1" }, "vpcId", 'got "vpc-1"; expected the ID of a VPC'],
    [{ ...IN_VPC, publicSubnetIds: '["subnet-1"]' }, "publicSubnetIds", "expected IDs of subnets such as"],
    [{ clusterArn: "shared" }, "clusterArn", "expected the ARN of an ECS cluster, or empty"],
    [
      { ...IN_VPC, listenerArn: listenerIn("us-east-1").replace("/app/", "/net/") },
      "listenerArn",
      "expected the ARN of a listener of an Application Load Balancer",
    ],
    [{ logGroupName: "a b" }, "logGroupName", "expected the name of a log group"],
    [{ repositoryName: "Shared" }, "repositoryName", "expected the name of an ECR repository"],
    [
      { ...LISTENER, listenerRulePriority: "49992" },
      "listenerRulePriority",
      "expected a whole number from 1 to 49991",
    ],
    [
      { publicSubnetIds: subnets(1, 2) },
      "publicSubnetIds",
      "expected no value, because websocket:vpcId is empty",
      "config set websocket:vpcId --stack dev`, or `npx pulumi config rm websocket:publicSubnetIds --",
    ],
    [
      { privateSubnetIds: subnets(1, 2) },
      "privateSubnetIds",
      "expected no value, because websocket:vpcId is empty",
    ],
    [
      { vpcId: VPC },
      "vpcId",
      "without subnets; expected IDs of subnets in websocket:publicSubnetIds or websocket:privateSubnetIds",
      "--path 'websocket:publicSubnetIds[0]'",
    ],
    [
      { vpcId: VPC, publicSubnetIds: subnets(1) },
      "publicSubnetIds",
      "got 1 subnet; expected at least 2 subnets in different availability zones, for a public load balancer and the cache",
    ],
    [
      { vpcId: VPC, privateSubnetIds: subnets(1, 2) },
      "publicSubnetIds",
      "got no subnet; expected at least 2 subnets in different availability zones, for a public load balancer",
      "config set websocket:originAccess private",
    ],
    [
      { ...OPEN, hostedZoneId: "Z0123456789ABCDEFGHIJ", vpcId: VPC, privateSubnetIds: subnets(1, 2) },
      "publicSubnetIds",
      "got no subnet; expected at least 2 subnets in different availability zones, for a public load balancer.",
    ],
    [
      { ...IN_VPC, privateSubnetIds: subnets(3) },
      "privateSubnetIds",
      "got 1 subnet; expected at least 2 subnets in different availability zones, for the cache",
    ],
    [
      { ...IN_VPC, privateSubnetIds: subnets(2, 3) },
      "privateSubnetIds",
      "got subnet-00000000000000002 twice; expected each subnet once",
    ],
    [
      { clusterArn: clusterIn("eu-west-1") },
      "clusterArn",
      "got an ARN in eu-west-1; expected one in us-east-1, the region of the stack",
    ],
    [
      { ...IN_VPC, listenerArn: listenerIn("eu-west-1") },
      "listenerArn",
      "got an ARN in eu-west-1; expected one in us-east-1",
    ],
    [
      { listenerArn: listenerIn("us-east-1") },
      "vpcId",
      "got nothing; expected the VPC of the load balancer of websocket:listenerArn",
    ],
    [
      { listenerRulePriority: "200" },
      "listenerRulePriority",
      'got "200"; expected no value, because websocket:listenerArn is empty',
      "rm websocket:listenerRulePriority ",
    ],
    [
      { ...LISTENER, idleTimeoutSeconds: "300" },
      "idleTimeoutSeconds",
      "because the load balancer of websocket:listenerArn has its own idle timeout",
      "rm websocket:idleTimeoutSeconds ",
    ],
    [
      {
        ...LISTENER,
        originTls: "lb.example.com",
        originCertificateArn: "arn:aws:acm:us-east-1:123456789012:certificate/1",
      },
      "originCertificateArn",
      "because websocket:listenerArn has its own certificates",
    ],
    [
      { ...LISTENER, originTls: "lb.example.com", hostedZoneId: "Z0123456789ABCDEFGHIJ" },
      "hostedZoneId",
      "because websocket:domain is empty, and websocket:listenerArn has its own DNS records",
    ],
    [
      { ...LISTENER, edge: "load-balancer", domain: `${"a".repeat(60)}.${"b".repeat(60)}.example.com` },
      "domain",
      "got 133 characters; expected at most 128, which a rule of websocket:listenerArn can have",
    ],
  ];
  for (const [config, key, ...parts] of cases) {
    it(`is refused: ${key} ${parts[0]?.slice(0, 70) ?? ""}`, async () => {
      await assertProblem(config, key, parts);
    });
  }

  it("reports every wrong key at once", async () => {
    const problems = await problemsIn({
      publicSubnetIds: subnets(1, 2),
      listenerArn: listenerIn("eu-west-1"),
      clusterArn: clusterIn("eu-west-1"),
      idleTimeoutSeconds: "300",
    });
    assert.deepEqual(problems.map(({ key }) => key).sort(), [
      "websocket:clusterArn",
      "websocket:idleTimeoutSeconds",
      "websocket:listenerArn",
      "websocket:publicSubnetIds",
      "websocket:vpcId",
    ]);
  });

  it("is checked as far as it is known, if it comes from other resources", () => {
    const values: ExistingRuleValues = {
      edge: "cloudfront",
      originAccess: "public",
      originTls: "",
      originCertificateArn: "",
      domain: "",
      hostedZoneId: "",
      backplane: "valkey",
      idleTimeoutSeconds: 120,
      vpcId: pulumi.output(VPC),
      publicSubnetIds: pulumi.output([]),
      privateSubnetIds: [],
      clusterArn: pulumi.output(clusterIn("eu-west-1")),
      listenerArn: "",
      listenerRulePriority: 100,
      logGroupName: "",
      repositoryName: "",
    };
    const keysOf = (changed: Partial<ExistingRuleValues>): readonly string[] =>
      checkExisting({ ...values, ...changed }, "us-east-1", (name) => name).map(({ key }) => key);

    assert.deepEqual(keysOf({}), []);
    assert.deepEqual(keysOf({ publicSubnetIds: [pulumi.output("a"), pulumi.output("b")] }), []);
    // The number of items is known.
    assert.deepEqual(keysOf({ publicSubnetIds: [pulumi.output("a")] }), ["publicSubnetIds"]);
    assert.deepEqual(keysOf({ vpcId: "" }), ["publicSubnetIds"]);
    assert.deepEqual(keysOf({ vpcId: "", listenerArn: pulumi.output("arn") }), ["publicSubnetIds", "vpcId"]);
  });
});
