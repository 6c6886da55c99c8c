/** The network, its security groups, and the path of a request through the load balancer. */
import assert from "node:assert/strict";
import { findResources, findResource } from "../../../infra/evaluation/graph.ts";
import type { DeclaredGraph } from "../../../infra/evaluation/graph.ts";
import { standInsFor } from "../../../infra/evaluation/standIns.ts";
import { declaredGraph } from "../../support/stacks.ts";
import { at, list, number, text } from "../../support/values.ts";
import * as the from "./support.ts";

/** The managed prefix list `com.amazonaws.global.cloudfront.origin-facing` in us-east-1. */
const CLOUDFRONT_PREFIX_LIST_ID = "pl-3b927c52";

const VPC_RESOURCES = [
  "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
  "aws:ec2/flowLog:FlowLog",
  "aws:ec2/securityGroup:SecurityGroup",
  "aws:lb/targetGroup:TargetGroup",
];

describe("the network", () => {
  let graph: DeclaredGraph;

  before(async () => {
    graph = await declaredGraph("dev");
  });

  for (const region of ["us-east-1", "eu-west-1"]) {
    it(`is in two availability zones of ${region}, and in no local zone`, async () => {
      const regional = await the.evaluateDev({ "aws:region": region });

      assert.deepEqual(findResource(regional, "awsx:ec2:Vpc").inputs["availabilityZoneNames"], [
        `${region}a`,
        `${region}b`,
      ]);
      // AWS sorts zones by name. Without the filter, the local zone would be the first one.
      const { names } = standInsFor(region).call("aws:index/getAvailabilityZones:getAvailabilityZones", {});
      assert.ok(Array.isArray(names) && String(names[0]).startsWith(`${region}-`));
    });
  }

  it("has public subnets, which the load balancer, the tasks and the cache use", () => {
    const { inputs, outputs } = findResource(graph, "awsx:ec2:Vpc");
    assert.deepEqual(
      list(inputs, "subnetSpecs").map((spec) => at(spec, "")["type"]),
      ["Public"],
    );
    assert.equal(inputs["enableDnsHostnames"], true);
    // A NAT gateway costs about as much as a task.
    assert.deepEqual(inputs["natGateways"], { strategy: "None" });
    for (const subnets of [
      the.loadBalancerOf(graph).inputs["subnets"],
      list(the.serviceOf(graph), "networkConfiguration.subnets"),
      the.cacheOf(graph).inputs["subnetIds"],
    ]) {
      assert.deepEqual(subnets, outputs["publicSubnetIds"]);
    }
  });

  it("contains every security group and the target group", () => {
    const { vpcId } = findResource(graph, "awsx:ec2:Vpc").outputs;
    const members = VPC_RESOURCES.flatMap((type) => findResources(graph, type));
    assert.equal(members.length, 6);
    for (const { name, inputs } of members) assert.equal(inputs["vpcId"], vpcId, name);
  });

  it("allows CloudFront → load balancer → tasks → cache and tasks → HTTPS, and nothing else", () => {
    const [loadBalancer, tasks, cache] = [
      the.loadBalancerGroupOf(graph),
      the.taskGroupOf(graph),
      the.cacheGroupOf(graph),
    ];
    const rulesOf = (kind: "Ingress" | "Egress"): readonly string[] =>
      findResources(graph, `aws:vpc/securityGroup${kind}Rule:SecurityGroup${kind}Rule`)
        .map(({ inputs: { securityGroupId, fromPort, toPort, ipProtocol, ...peer } }) => {
          const { description: _, ...peers } = peer;
          return [
            securityGroupId,
            ipProtocol,
            `${String(fromPort)}-${String(toPort)}`,
            ...Object.values(peers),
          ].join(" ");
        })
        .sort();
    assert.deepEqual(
      rulesOf("Ingress"),
      [
        `${String(loadBalancer)} tcp 80-80 ${CLOUDFRONT_PREFIX_LIST_ID}`,
        `${String(tasks)} tcp 8080-8080 ${String(loadBalancer)}`,
        `${String(cache)} tcp 6379-6380 ${String(tasks)}`,
      ].sort(),
    );
    assert.deepEqual(
      rulesOf("Egress"),
      [
        `${String(loadBalancer)} tcp 8080-8080 ${String(tasks)}`,
        `${String(tasks)} tcp 6379-6380 ${String(cache)}`,
        `${String(tasks)} tcp 443-443 0.0.0.0/0`,
      ].sort(),
    );
  });

  it("describes every rule, and has no rules inside a group", () => {
    for (const { type, name, inputs } of graph.resources) {
      if (!type.includes("ecurityGroup")) continue;
      assert.ok(type.includes("Default") || inputs["description"] !== undefined, name);
      assert.deepEqual([inputs["ingress"], inputs["egress"]], [undefined, undefined], name);
    }
  });

  it("forwards only requests with the secret header, which CloudFront adds", () => {
    const listener = findResource(graph, "aws:lb/listener:Listener");
    assert.equal(listener.inputs["port"], 80);
    assert.equal(listener.inputs["loadBalancerArn"], the.loadBalancerOf(graph).outputs["arn"]);
    const [action] = list(listener.inputs, "defaultActions");
    assert.equal(text(action, "type"), "fixed-response");
    assert.equal(text(action, "fixedResponse.statusCode"), "403");

    const rule = the.ruleOf(graph);
    assert.equal(rule["listenerArn"], listener.outputs["arn"]);
    assert.deepEqual(rule["actions"], [
      { type: "forward", targetGroupArn: the.targetGroupOf(graph).outputs["arn"] },
    ]);
    const header = at(the.distributionOf(graph), "origins[0].customHeaders[0]");
    assert.equal(header["value"], the.secretOf(graph, "websocket-origin-secret-1"));
    assert.deepEqual(rule["conditions"], [
      { httpHeader: { httpHeaderName: header["name"], values: [header["value"]] } },
    ]);
  });

  it("uses one port from the target group to the server", () => {
    const { port } = the.targetGroupOf(graph).inputs;
    const registered = at(the.serviceOf(graph), "loadBalancers[0]");
    assert.deepEqual(registered, {
      targetGroupArn: the.targetGroupOf(graph).outputs["arn"],
      containerName: the.containerOf(graph)["name"],
      containerPort: port,
    });
    assert.equal(number(the.containerOf(graph), "portMappings[0].containerPort"), port);
    assert.equal(the.serverSettingsOf(graph).port, port);
  });
});
