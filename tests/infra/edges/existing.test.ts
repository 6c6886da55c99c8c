/** Stacks that use existing infrastructure, at each edge. */
import assert from "node:assert/strict";
import { findResource, findResources } from "../../../infra/evaluation/graph.ts";
import type { DeclaredGraph, DeclaredResource } from "../../../infra/evaluation/graph.ts";
import * as the from "../components/support.ts";
import { at, list, number, text } from "../../support/values.ts";

const VPC = "vpc-0123456789abcdef0";
const PUBLIC = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"];
const PRIVATE = ["subnet-0123456789abcdef2", "subnet-0123456789abcdef3"];
const IN_PUBLIC = { vpcId: VPC, publicSubnetIds: JSON.stringify(PUBLIC) };
const IN_PRIVATE = { ...IN_PUBLIC, privateSubnetIds: JSON.stringify(PRIVATE) };
const LISTENER_ARN =
  "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/shared/0123456789abcdef/fedcba9876543210";
const LOAD_BALANCER_ARN =
  "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/shared/0123456789abcdef";
const LISTENER = { ...IN_PRIVATE, listenerArn: LISTENER_ARN, listenerRulePriority: "200" };
const OPEN = { edge: "load-balancer", domain: "ws.example.com" };
const ZONE = { hostedZoneId: "Z0123456789ABCDEFGHIJ" };

/** Types of a VPC of the stack. */
const VPC_TYPES = [
  "awsx:ec2:Vpc",
  "aws:ec2/flowLog:FlowLog",
  "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
];
/** Types of a load balancer of the stack. */
const LOAD_BALANCER_TYPES = ["aws:lb/loadBalancer:LoadBalancer", "aws:lb/listener:Listener"];

const typesOf = (graph: DeclaredGraph): readonly string[] => graph.resources.map(({ type }) => type);
const subnetsOfTasks = (graph: DeclaredGraph): unknown =>
  at(the.serviceOf(graph), "networkConfiguration.subnets");
const rulesOf = (graph: DeclaredGraph): readonly DeclaredResource[] =>
  findResources(graph, "aws:lb/listenerRule:ListenerRule");

describe("a stack in an existing VPC", () => {
  const EDGES = [
    ["CloudFront", {}, PUBLIC],
    ["CloudFront with a private origin", { originAccess: "private" }, PRIVATE],
    ["the load balancer", { ...OPEN, ...ZONE }, PUBLIC],
  ] as const;
  for (const [edge, config, ofLoadBalancer] of EDGES) {
    it(`at the edge of ${edge}, has its tasks and its cache in private subnets`, async () => {
      const graph = await the.evaluateDev({ ...IN_PRIVATE, ...config });

      for (const type of VPC_TYPES) assert.ok(!typesOf(graph).includes(type), type);
      assert.deepEqual(subnetsOfTasks(graph), PRIVATE);
      assert.equal(at(the.serviceOf(graph), "networkConfiguration")["assignPublicIp"], false);
      assert.deepEqual(the.cacheOf(graph).inputs["subnetIds"], PRIVATE);
      assert.deepEqual(the.loadBalancerOf(graph).inputs["subnets"], ofLoadBalancer);
      for (const { name, inputs } of [
        ...findResources(graph, "aws:ec2/securityGroup:SecurityGroup"),
        the.targetGroupOf(graph),
      ]) {
        assert.equal(inputs["vpcId"], VPC, name);
      }
    });
  }

  it("has its tasks in public subnets with public addresses, if there are no private ones", async () => {
    const graph = await the.evaluateDev({ ...IN_PUBLIC, originAccess: "private" });

    assert.deepEqual(subnetsOfTasks(graph), PUBLIC);
    assert.equal(at(the.serviceOf(graph), "networkConfiguration")["assignPublicIp"], true);
    assert.deepEqual(the.cacheOf(graph).inputs["subnetIds"], PUBLIC);
    assert.deepEqual(the.loadBalancerOf(graph).inputs["subnets"], PUBLIC);
  });
});

describe("a stack with an existing listener", () => {
  const EDGES = [
    ["CloudFront", {}],
    ["CloudFront with TLS to the origin", { originTls: "lb.example.com" }],
    ["CloudFront with a private origin", { originAccess: "private" }],
    ["the load balancer", OPEN],
  ] as const;
  for (const [edge, config] of EDGES) {
    describe(`at the edge of ${edge}`, () => {
      let graph: DeclaredGraph;

      before(async () => {
        graph = await the.evaluateDev({ ...LISTENER, ...config });
      });

      it("declares a rule in its range of priorities, and no load balancer, listener or certificate", () => {
        for (const type of LOAD_BALANCER_TYPES) assert.ok(!typesOf(graph).includes(type), type);
        assert.ok(!typesOf(graph).some((type) => type.includes("ertificate")), typesOf(graph).join());
        const [rule, ...others] = rulesOf(graph);
        assert.ok(rule);
        assert.deepEqual(others, []);
        assert.equal(rule.inputs["listenerArn"], LISTENER_ARN);
        const priority = number(rule.inputs, "priority");
        assert.ok(priority >= 200 && priority < 210, String(priority));
        assert.deepEqual(rule.inputs["actions"], [
          { type: "forward", targetGroupArn: the.targetGroupOf(graph).outputs["arn"] },
        ]);
        assert.equal(
          text(the.serviceOf(graph), "loadBalancers[0].targetGroupArn"),
          the.targetGroupOf(graph).outputs["arn"],
        );
      });

      it("connects the security group of the load balancer with that of the tasks", () => {
        const egress = findResources(graph, "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule").find(
          ({ name }) => name.endsWith("-to-tasks"),
        );
        const ingress = findResources(
          graph,
          "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        ).find(({ inputs }) => inputs["fromPort"] === 8080);
        assert.ok(egress && ingress);
        const tasks = the.taskGroupOf(graph);
        assert.equal(egress.inputs["referencedSecurityGroupId"], tasks);
        assert.equal(ingress.inputs["securityGroupId"], tasks);
        assert.equal(ingress.inputs["referencedSecurityGroupId"], egress.inputs["securityGroupId"]);
        assert.match(String(egress.inputs["securityGroupId"]), /^sg-/);
      });
    });
  }

  it("behind CloudFront, requires the secret header, and connects to the port of the listener", async () => {
    const graph = await the.evaluateDev(LISTENER);

    const header = at(the.distributionOf(graph), "origins[0].customHeaders[0]");
    assert.deepEqual(the.ruleOf(graph)["conditions"], [
      { httpHeader: { httpHeaderName: header["name"], values: [header["value"]] } },
    ]);
    assert.equal(header["value"], the.secretOf(graph, "websocket-origin-secret-1"));
    assert.match(
      text(the.distributionOf(graph), "origins[0].domainName"),
      /^shared-.*\.elb\.amazonaws\.com$/,
    );
    assert.deepEqual(at(the.distributionOf(graph), "origins[0].customOriginConfig"), {
      originProtocolPolicy: "http-only",
      httpPort: 443,
      httpsPort: 443,
      originSslProtocols: ["TLSv1.2"],
    });
  });

  it("accepts both secrets of a rotation, in a rule with another priority", async () => {
    const [before, after] = [
      await the.evaluateDev(LISTENER),
      await the.evaluateDev({ ...LISTENER, originSecretGeneration: "2" }),
    ];
    const [old, rotated] = [rulesOf(before)[0], rulesOf(after)[0]];
    assert.ok(old && rotated);
    assert.notEqual(old.name, rotated.name);
    assert.notEqual(old.inputs["priority"], rotated.inputs["priority"]);
    assert.equal(list(rotated.inputs, "conditions[0].httpHeader.values").length, 2);
  });

  it("behind CloudFront with TLS, uses a name in the certificate of the listener, without DNS records", async () => {
    const graph = await the.evaluateDev({ ...LISTENER, originTls: "lb.example.com" });

    assert.equal(text(the.distributionOf(graph), "origins[0].domainName"), "lb.example.com");
    assert.equal(
      text(the.distributionOf(graph), "origins[0].customOriginConfig.originProtocolPolicy"),
      "https-only",
    );
    assert.deepEqual(findResources(graph, "aws:route53/record:Record"), []);
    assert.deepEqual(graph.warnings, []);
  });

  it("behind CloudFront with a private origin, has a VPC origin of the load balancer", async () => {
    const graph = await the.evaluateDev({ ...LISTENER, originAccess: "private" });

    const endpoint = at(
      findResource(graph, "aws:cloudfront/vpcOrigin:VpcOrigin").inputs,
      "vpcOriginEndpointConfig",
    );
    assert.equal(endpoint["arn"], LOAD_BALANCER_ARN);
    assert.match(text(endpoint, "name"), /^shared-[0-9a-f]{8}$/);
    assert.equal(endpoint["httpPort"], 443);
  });

  it("for clients, forwards requests to the domain", async () => {
    const graph = await the.evaluateDev({ ...LISTENER, ...OPEN });

    assert.deepEqual(the.ruleOf(graph)["conditions"], [{ hostHeader: { values: ["ws.example.com"] } }]);
    assert.equal(the.ruleOf(graph)["priority"], 200);
    assert.match(graph.warnings.join(), /clients cannot resolve ws\.example\.com until you point it/);
  });

  it("for clients, adds a certificate to the listener and DNS records, if there is a zone", async () => {
    const graph = await the.evaluateDev({ ...LISTENER, ...OPEN, ...ZONE });

    const added = findResource(graph, "aws:lb/listenerCertificate:ListenerCertificate").inputs;
    assert.equal(added["listenerArn"], LISTENER_ARN);
    assert.equal(
      added["certificateArn"],
      findResource(graph, "aws:acm/certificateValidation:CertificateValidation").inputs["certificateArn"],
    );
    const record = findResources(graph, "aws:route53/record:Record").find(
      ({ inputs }) => inputs["type"] === "A",
    );
    assert.match(text(record?.inputs, "aliases[0].name"), /^shared-.*\.elb\.amazonaws\.com$/);
  });
});

describe("a stack with an existing cluster, log group and repository", () => {
  const CLUSTER_ARN = "arn:aws:ecs:us-east-1:123456789012:cluster/shared";
  const LOG_GROUP_ARN = "arn:aws:logs:us-east-1:123456789012:log-group:/shared/tasks";
  const REPOSITORY_ARN = "arn:aws:ecr:us-east-1:123456789012:repository/shared/images";
  let graph: DeclaredGraph;

  before(async () => {
    graph = await the.evaluateDev({
      clusterArn: CLUSTER_ARN,
      logGroupName: "/shared/tasks",
      repositoryName: "shared/images",
      enableExec: "true",
    });
  });

  it("declares none of its own", () => {
    for (const type of [
      "aws:ecs/cluster:Cluster",
      "aws:cloudwatch/logGroup:LogGroup",
      "aws:ecr/repository:Repository",
      "aws:ecr/lifecyclePolicy:LifecyclePolicy",
    ]) {
      assert.ok(!typesOf(graph).includes(type), type);
    }
  });

  it("runs and scales its service in the cluster, with a family of its own", () => {
    assert.equal(the.serviceOf(graph)["cluster"], CLUSTER_ARN);
    const target = findResource(graph, "aws:appautoscaling/target:Target").inputs;
    assert.match(text(target, "resourceId"), /^service\/shared\//);
    assert.equal(the.taskDefinitionOf(graph)["family"], the.serverSettingsOf(graph).serviceName);
    assert.equal(graph.outputs["clusterName"], "shared");
  });

  it("logs to the log group, and pushes to the repository", () => {
    const options = at(the.containerOf(graph), "logConfiguration.options");
    assert.equal(options["awslogs-group"], "/shared/tasks");
    const url = "123456789012.dkr.ecr.us-east-1.amazonaws.com/shared/images";
    assert.equal(findResource(graph, "awsx:ecr:Image").inputs["repositoryUrl"], url);
    assert.match(text(the.containerOf(graph), "image"), new RegExp(`^${url}@sha256:`));
  });

  it("has roles for this log group and this repository only, and for ECS Exec without its logs", () => {
    const resources = the.roleStatementsOf(graph, "execution").flatMap(({ Resource }) => Resource);
    assert.ok(resources.includes(REPOSITORY_ARN), resources.join());
    assert.ok(resources.includes(`${LOG_GROUP_ARN}:*`), resources.join());
    assert.equal(the.serviceOf(graph)["enableExecuteCommand"], true);
    assert.deepEqual(
      the.roleStatementsOf(graph, "task").map(({ Action, Resource }) => [Action, Resource]),
      [
        [
          [
            "ssmmessages:CreateControlChannel",
            "ssmmessages:CreateDataChannel",
            "ssmmessages:OpenControlChannel",
            "ssmmessages:OpenDataChannel",
          ],
          "*",
        ],
      ],
    );
  });
});
