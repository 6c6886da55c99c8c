/** The order in which resources are created. They are deleted in the reverse order. */
import assert from "node:assert/strict";
import { findResource } from "../../../infra/evaluation/graph.ts";
import type { DeclaredGraph, DeclaredResource } from "../../../infra/evaluation/graph.ts";
import { declaredGraph } from "../../support/stacks.ts";
import { evaluateDev } from "./support.ts";

const SERVICE = "awsx:ecs:FargateService";
const LOAD_BALANCER = "aws:lb/loadBalancer:LoadBalancer";

describe("a stack", () => {
  let graph: DeclaredGraph;

  before(async () => {
    graph = await declaredGraph("dev");
  });

  it("creates the load balancer after the rules of its security group", () => {
    assertAfter(graph, findResource(graph, LOAD_BALANCER), [
      "websocket-from-cloudfront",
      "websocket-to-tasks",
      "websocket-tasks-ingress",
    ]);
  });

  it("creates the service after its target group receives requests, and after all that a task needs", () => {
    assertAfter(graph, findResource(graph, SERVICE), [
      "websocket-X-Origin-Secret-1",
      "websocket-network-to-aws",
      "websocket-service-task-policy",
      "websocket-service-execution-policy",
      "websocket-tasks-ingress",
      "websocket-to-tasks",
      "aws:elasticache/serverlessCache:ServerlessCache websocket-backplane",
      "websocket-backplane-from-tasks",
      "websocket-backplane-tasks-egress",
      "websocket-backplane-tasks",
    ]);
  });

  it("updates the distribution after the listener rule accepts the header and the service is stable", () => {
    assertAfter(graph, findResource(graph, "aws:cloudfront/distribution:Distribution"), [
      "websocket-X-Origin-Secret-1",
      `${SERVICE} websocket-service`,
    ]);
  });

  it("enables log delivery after AWS can write to the bucket", () => {
    for (const type of [
      LOAD_BALANCER,
      "aws:ec2/flowLog:FlowLog",
      "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination",
    ]) {
      assertAfter(graph, findResource(graph, type), ["websocket-logs-policy"]);
    }
  });

  it("points a custom domain to a load balancer after the service is stable", async () => {
    const open = await evaluateDev({
      edge: "load-balancer",
      domain: "ws.example.com",
      hostedZoneId: "Z0123456789",
    });
    const record = open.resources.find(({ name }) => name === "websocket-domain-A");
    assert.ok(record);
    assertAfter(open, record, [`${SERVICE} websocket-service`, "websocket-open-https"]);
  });
});

/** Fails if a resource with one of the names, or of the types and names, can be created after the resource. */
function assertAfter(graph: DeclaredGraph, resource: DeclaredResource, names: readonly string[]): void {
  const existing = new Map(graph.resources.map((one) => [one.urn, one]));
  const before = new Set<string>();
  const follow = ({ dependencies }: DeclaredResource): void => {
    for (const urn of dependencies) {
      if (before.has(urn)) continue;
      before.add(urn);
      const dependency = existing.get(urn);
      if (dependency !== undefined) follow(dependency);
    }
  };
  follow(resource);
  const found = [...before].flatMap((urn) => {
    const { type = "", name = "" } = existing.get(urn) ?? {};
    return [name, `${type} ${name}`];
  });
  for (const name of names) assert.ok(found.includes(name), `${resource.name} does not wait for ${name}`);
}
