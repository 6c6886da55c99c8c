/** The distribution of an untouched stack. tests/infra/edges/edges.test.ts has the other edges. */
import assert from "node:assert/strict";
import { PATHS } from "../../../app/src/settings/contract.ts";
import { findResource } from "../../../infra/evaluation/graph.ts";
import type { DeclaredGraph } from "../../../infra/evaluation/graph.ts";
import { declaredGraph } from "../../support/stacks.ts";
import { at, list, text } from "../../support/values.ts";
import * as the from "./support.ts";

/** @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html */
const MANAGED_POLICIES = {
  cachePolicyId: "4135ea2d-6df8-44a3-9df3-4b5a84be39ad", // CachingDisabled
  originRequestPolicyId: "216adef6-5c7f-47e4-b989-5492eafa07d3", // AllViewer
  responseHeadersPolicyId: "67f7725c-6f97-4210-82d7-5512b31e9d03", // SecurityHeadersPolicy
};

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

  it("is enabled, and available with IPv6 and HTTP/2", () => {
    assert.equal(inputs["enabled"], true);
    assert.equal(inputs["isIpv6Enabled"], true);
    assert.match(text(inputs, "httpVersion"), /^http2/);
  });

  it("forwards every method and everything of a request, and caches nothing", () => {
    const behavior = at(inputs, "defaultCacheBehavior");
    assert.equal(list(behavior, "allowedMethods").length, 7);
    const { cachePolicyId, originRequestPolicyId, responseHeadersPolicyId } = behavior;
    assert.deepEqual({ cachePolicyId, originRequestPolicyId, responseHeadersPolicyId }, MANAGED_POLICIES);
  });

  it("redirects no viewer to HTTPS, and compares no TLS version that CloudFront ignores", () => {
    assert.equal(text(inputs, "defaultCacheBehavior.viewerProtocolPolicy"), "https-only");
    assert.equal(text(inputs, "viewerCertificate.minimumProtocolVersion"), "TLSv1.2_2021");
    assert.deepEqual(findResource(graph, "aws:cloudfront/distribution:Distribution").options.ignoreChanges, [
      "viewerCertificate.minimumProtocolVersion",
    ]);
  });

  it("serves the console page at /", () => {
    assert.equal(`/${String(inputs["defaultRootObject"])}`, PATHS.console);
  });

  it("delivers its access logs from us-east-1, as JSON", () => {
    const [source, destination, delivery] = ["Source", "Destination", ""].map((kind) =>
      findResource(graph, `aws:cloudwatch/logDelivery${kind}:LogDelivery${kind}`),
    );
    for (const resource of [source, destination, delivery]) {
      assert.equal(resource?.inputs["region"], "us-east-1");
    }
    const { outputs } = findResource(graph, "aws:cloudfront/distribution:Distribution");
    assert.equal(source?.inputs["resourceArn"], outputs["arn"]);
    assert.equal(source?.inputs["logType"], "ACCESS_LOGS");
    assert.equal(destination?.inputs["outputFormat"], "json");
    assert.equal(delivery?.inputs["deliverySourceName"], source.outputs["name"]);
    assert.equal(delivery?.inputs["deliveryDestinationArn"], destination.outputs["arn"]);
  });
});

describe("the distribution of another edge", () => {
  it("uses SNI for a custom domain, because dedicated addresses cost 600 USD per month", async () => {
    const graph = await the.evaluateDev({ domain: "ws.example.com", hostedZoneId: "Z0123456789" });
    assert.equal(text(the.distributionOf(graph), "viewerCertificate.sslSupportMethod"), "sni-only");
  });

  it("forwards no cookies to an API Gateway", async () => {
    const graph = await the.evaluateDev({
      edge: "api-gateway",
      apiGatewayUrl: "wss://abcdef1234.execute-api.us-east-1.amazonaws.com/prod",
    });
    const policy = findResource(graph, "aws:cloudfront/originRequestPolicy:OriginRequestPolicy");
    assert.equal(text(policy.inputs, "cookiesConfig.cookieBehavior"), "none");
    assert.equal(text(the.distributionOf(graph), "defaultCacheBehavior.originRequestPolicyId"), policy.id);
  });
});

describe("the origin secret", () => {
  it("is long, and has no wildcard of a listener rule", async () => {
    const { special, length } = the.randomPasswordOf(await declaredGraph("dev"), "origin-secret-1").inputs;
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
      the.secretOf(graph, "origin-secret-7"),
      the.secretOf(graph, "origin-secret-6"),
    ];
    assert.notEqual(current, previous);
    assert.equal(text(the.distributionOf(graph), "origins[0].customHeaders[0].value"), current);
    assert.deepEqual(list(the.ruleOf(graph), "conditions[0].httpHeader.values"), [current, previous]);
    assert.ok(the.secretHoldersOf(graph, "origin-secret-6").includes("aws:lb/listenerRule:ListenerRule"));
    assert.ok(!graph.resources.some(({ name }) => name === "origin-secret-5"));
  });
});
