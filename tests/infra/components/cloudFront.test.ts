/** The distribution of an untouched stack. tests/infra/edges/edges.test.ts has the other edges. */
import assert from "node:assert/strict";
import { PATHS } from "../../../app/src/settings/contract.ts";
import { findResource } from "../../../infra/evaluation/graph.ts";
import type { DeclaredGraph } from "../../../infra/evaluation/graph.ts";
import { declaredGraph } from "../../support/stacks.ts";
import { at, list, text } from "../../support/values.ts";
import * as the from "./support.ts";

describe("the distribution", () => {
  let graph: DeclaredGraph;
  let inputs: the.Inputs;

  before(async () => {
    graph = await declaredGraph("dev");
    inputs = the.distributionOf(graph);
  });

  it("has the load balancer as its only origin", () => {
    const [origin, ...others] = list(inputs, "origins");
    assert.deepEqual(others, []);
    assert.equal(at(origin, "")["domainName"], the.loadBalancerOf(graph).outputs["dnsName"]);
    assert.equal(at(origin, "")["originId"], text(inputs, "defaultCacheBehavior.targetOriginId"));
  });

  it("serves the console page at /", () => {
    assert.equal(`/${String(inputs["defaultRootObject"])}`, PATHS.console);
  });
});

describe("the origin secret", () => {
  it("is long, and has no wildcard of a listener rule", async () => {
    const { special, length } = the.randomPasswordOf(
      await declaredGraph("dev"),
      "websocket-origin-secret-1",
    ).inputs;
    assert.equal(special, false);
    assert.ok(Number(length) >= 32);
  });

  it("gets a new listener rule for another generation or header, because CloudFront needs minutes to deploy it", async () => {
    const ruleNames = [
      await declaredGraph("dev"),
      await the.evaluateDev({ originSecretGeneration: "2" }),
      await the.evaluateDev({ originHeaderName: "X-Origin-Other" }),
    ].map((graph) => findResource(graph, "aws:lb/listenerRule:ListenerRule").name);
    assert.equal(new Set(ruleNames).size, ruleNames.length);
  });

  it("is accepted in its current and its previous generation, and sent in the current one", async () => {
    const graph = await the.evaluateDev({ originSecretGeneration: "7" });
    const [current, previous] = [
      the.secretOf(graph, "websocket-origin-secret-7"),
      the.secretOf(graph, "websocket-origin-secret-6"),
    ];
    assert.notEqual(current, previous);
    assert.equal(text(the.distributionOf(graph), "origins[0].customHeaders[0].value"), current);
    assert.deepEqual(list(the.ruleOf(graph), "conditions[0].httpHeader.values"), [current, previous]);
    assert.ok(
      the.secretHoldersOf(graph, "websocket-origin-secret-6").includes("aws:lb/listenerRule:ListenerRule"),
    );
    assert.ok(!graph.resources.some(({ name }) => name === "websocket-origin-secret-5"));
  });
});
